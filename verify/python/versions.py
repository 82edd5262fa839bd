"""What the scripts here ask before they write anything: other versions of the libraries would make other files."""

import importlib.metadata
import pathlib

from packaging.requirements import Requirement

REQUIREMENTS = pathlib.Path(__file__).with_name("requirements.txt")


def expect_versions(*wanted: str) -> None:
    """Ends the script unless each library is installed as requirements.txt has it, or as `wanted` itself says: `name==1.2.3`."""
    pinned = {one.name: one for one in map(Requirement, REQUIREMENTS.read_text().split())}
    wrong = []
    for text in wanted:
        requirement = Requirement(text)
        requirement = requirement if requirement.specifier else pinned[requirement.name]
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            version = "none"
        if version == "none" or not requirement.specifier.contains(version):
            wrong.append(f"{requirement.name}: expected {requirement.specifier}, got {version}")
    if wrong:
        raise SystemExit("\n".join(wrong))
