"""The README of a pack, from what the pack says of itself.

`python -m countenance.policy.readmes` writes those of the packs that ship; a test holds them against it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from countenance.policy import packs
from countenance.policy.moratoria import AtSunset, Moratorium
from countenance.policy.obligations import parse, phrases
from countenance.policy.packs import README, Manifest, Pack
from countenance.policy.policies import PackPolicy
from countenance.policy.words import enumeration


def readme(pack: Pack) -> str:
    """The README of a pack, Markdown."""
    sections = (
        *_head(pack.manifest),
        *_moratorium(pack.moratorium),
        *_bullets("What it does", pack.manifest.claims),
        *_bullets("What it does not claim", pack.manifest.not_claimed),
        *_policies("What it permits", [policy for policy in pack.policies if policy.effect == "permit"]),
        *_policies("What it forbids", [policy for policy in pack.policies if policy.effect == "forbid"]),
        *_obligations(pack.obligations),
        *_bullets("Sources", [f"[{one.title}]({one.url})" if one.url else one.title for one in pack.manifest.sources]),
        *_check(pack),
    )
    return "\n".join(sections) + "\n"


def write(folder: Path) -> None:
    """Write the README of the pack in a folder. Raises InvalidParameter when there is none."""
    (folder / README).write_text(readme(Pack.from_folder(folder)), encoding="utf-8")


def _head(manifest: Manifest) -> Iterator[str]:
    yield f"# {manifest.title}"
    yield ""
    since = enumeration([f"{day} ({what})" for what, day in manifest.effective.items()])
    required = f" It is asked together with {enumeration(manifest.requires)}." if manifest.requires else ""
    yield f"`{manifest.name}`, version {manifest.version}{f', effective {since}' if since else ''}.{required}"


def _moratorium(moratorium: Moratorium | None) -> Iterator[str]:
    if moratorium is None:
        return
    held = {
        AtSunset.HOLD: "it holds until an explicit, logged decision ends it",
        AtSunset.LAPSE: "it lapses unless it was extended",
    }
    yield from ("", "## The moratorium", "")
    times = f"From {moratorium.start:%Y-%m-%d %H:%M} UTC. At its sunset, {moratorium.sunset:%Y-%m-%d %H:%M} UTC,"
    yield f"{times} {held[moratorium.at_sunset]}."
    for what, text in (("Scope", moratorium.scope), ("Exemptions", moratorium.exemptions)):
        if text:
            yield from ("", f"{what}: {text[0].lower()}{text[1:]}")


def _bullets(title: str, items: Sequence[str]) -> Iterator[str]:
    if items:
        yield from ("", f"## {title}", "")
        yield from (f"- {item}" for item in items)


def _policies(title: str, policies: Sequence[PackPolicy]) -> Iterator[str]:
    if not policies:
        return
    told = any(policy.reference.message for policy in policies)
    yield from ("", f"## {title}", "")
    yield from (("| policy | what it says to whoever is denied | source |", "|---|---|---|") if told else ())
    yield from (("| policy | source |", "|---|---|") if not told else ())
    for policy in policies:
        cells = (policy.reference.message, policy.reference.source) if told else (policy.reference.source,)
        yield f"| `{policy.reference.id}` | {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _obligations(policies: Sequence[PackPolicy]) -> Iterator[str]:
    if policies:
        yield from ("", "## What permitted uses owe", "", "| policy | what is owed | source |", "|---|---|---|")
        for policy in policies:
            owed = "; ".join(phrases(parse(policy.obligation or "")))
            yield f"| `{policy.reference.id}` | {owed} | {policy.reference.source} |"


def _check(pack: Pack) -> Iterator[str]:
    examples = sum(packs.EXAMPLES.fullmatch(path) is not None for path in pack.files)
    yield from ("", "## How it is checked", "")
    command = f"`countenance policy check {pack.name}`"
    yield f"{command} asks the {examples} requests in `ALLOW` and `DENY`, and leaves out each policy once to see"
    yield "that at least one of them notices."


if __name__ == "__main__":
    for name in packs.shipped():
        write(Path(__file__).with_name("packs") / name)
