// A session, begun and used with the AWS SDK for JavaScript v3. Prints what was answered, as JSON.
import { ListCollectionsCommand, RekognitionClient } from "@aws-sdk/client-rekognition";
import { AssumeRoleCommand, GetCallerIdentityCommand, GetSessionTokenCommand, STSClient } from "@aws-sdk/client-sts";

const [, , RoleArn] = process.argv;
const sts = new STSClient({});
const role = { RoleArn, RoleSessionName: "javascript" };

const refused = async (client, command) => {
  try {
    await client.send(command);
  } catch (error) {
    return {
      name: error.name,
      message: error.message,
      requestId: error.$metadata.requestId,
      status: error.$metadata.httpStatusCode,
      attempts: error.$metadata.attempts,
    };
  }
  throw new Error("nothing was refused");
};

const Tags = [{ Key: "purpose", Value: "photo_library" }, { Key: "case", Value: "日本 + 5 = ü" }];
const assumed = await sts.send(new AssumeRoleCommand({ ...role, Tags, DurationSeconds: 900 }));
const credentials = {
  accessKeyId: assumed.Credentials.AccessKeyId,
  secretAccessKey: assumed.Credentials.SecretAccessKey,
  sessionToken: assumed.Credentials.SessionToken,
};
const session = new STSClient({ credentials });
const rekognition = new RekognitionClient({ credentials });
const stranger = new RekognitionClient({ credentials: { ...credentials, sessionToken: `A${credentials.sessionToken}` } });
console.log(
  JSON.stringify({
    expires: assumed.Credentials.Expiration instanceof Date,
    role: assumed.AssumedRoleUser.Arn,
    identity: (await session.send(new GetCallerIdentityCommand({}))).Arn,
    collections: Array.isArray((await rekognition.send(new ListCollectionsCommand({}))).CollectionIds),
    tag: await refused(sts, new AssumeRoleCommand({ ...role, Tags: [{ Key: "mood", Value: "good" }] })),
    policy: await refused(sts, new AssumeRoleCommand({ ...role, Policy: "{}" })),
    absent: await refused(sts, new GetSessionTokenCommand({})),
    token: await refused(stranger, new ListCollectionsCommand({})),
  }),
);
