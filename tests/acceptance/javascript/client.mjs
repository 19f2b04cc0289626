// One life of a collection, with the AWS SDK for JavaScript v3. Prints what was answered, as JSON.
import { readFile } from "node:fs/promises";
import {
  AccessDeniedException,
  CreateCollectionCommand,
  DeleteCollectionCommand,
  DescribeCollectionCommand,
  DetectFacesCommand,
  DetectLabelsCommand,
  IndexFacesCommand,
  InvalidParameterException,
  ListFacesCommand,
  RekognitionClient,
  ResourceNotFoundException,
  SearchFacesByImageCommand,
  paginateListFaces,
} from "@aws-sdk/client-rekognition";

const [, , CollectionId, known, probe, faceless] = process.argv;
const client = new RekognitionClient({});
const photo = async (path) => ({ Bytes: await readFile(path) });

// The class, the message and the request id of the exception that `command` must raise.
const refused = async (command, expected) => {
  try {
    await client.send(command);
  } catch (error) {
    return {
      isExpected: error instanceof expected,
      name: error.name,
      message: error.message,
      requestId: error.$metadata.requestId,
      attempts: error.$metadata.attempts,
    };
  }
  throw new Error("nothing was refused");
};

const created = await client.send(new CreateCollectionCommand({ CollectionId, Tags: { "Über": "日本" } }));
const described = await client.send(new DescribeCollectionCommand({ CollectionId }));
const indexed = await client.send(
  new IndexFacesCommand({ CollectionId, Image: await photo(known), ExternalImageId: "known", MaxFaces: 1 }),
);
await client.send(
  new IndexFacesCommand({ CollectionId, Image: await photo(known), ExternalImageId: "again", MaxFaces: 1 }),
);
const found = await client.send(new SearchFacesByImageCommand({ CollectionId, Image: await photo(probe) }));
const pages = [];
for await (const page of paginateListFaces({ client, pageSize: 1 }, { CollectionId })) {
  pages.push(page.Faces.map((face) => face.ExternalImageId));
}
const nobody = await client.send(new DetectFacesCommand({ Image: await photo(faceless), Attributes: ["ALL"] }));
const together = await Promise.all(
  Array.from({ length: 20 }, () => client.send(new ListFacesCommand({ CollectionId }))),
);
const report = {
  created: created.CollectionArn,
  requestId: created.$metadata.requestId,
  createdAt: described.CreationTimestamp instanceof Date,
  indexed: indexed.FaceRecords[0].Face.FaceId,
  found: found.FaceMatches.map((match) => match.Face.FaceId),
  pages,
  nobody: nobody.FaceDetails,
  together: together.map((answer) => answer.Faces.length),
  noFace: await refused(
    new SearchFacesByImageCommand({ CollectionId, Image: await photo(faceless) }),
    InvalidParameterException,
  ),
  invalid: await refused(new DescribeCollectionCommand({ CollectionId: "bad id" }), InvalidParameterException),
  absent: await refused(new DetectLabelsCommand({ Image: { Bytes: Uint8Array.of(1) } }), AccessDeniedException),
  deleted: (await client.send(new DeleteCollectionCommand({ CollectionId }))).StatusCode,
  gone: await refused(new DescribeCollectionCommand({ CollectionId }), ResourceNotFoundException),
};
console.log(JSON.stringify(report));
