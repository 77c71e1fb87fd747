"""Mapping file: TOML that gives the meaning of columns in a member file whose names do not say it.

```toml
ignore = ["NI number"]      # columns that are not wanted at all
others = "attributes"       # what becomes of the columns not named here: attributes (as without a file), or ignore

[columns]
external_id = "Unique ref"
phone = ["Mob", "Tel (home)"]  # several, the preferred one first

[attributes]
pay_band = "Grade / band"
```
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from core.errors import InputError


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """Content of a mapping file; without one, the columns' names decide everything.

    Attributes:
        fields: headers by field, the preferred one first.
        attributes: headers by attribute.
        ignore: headers to leave out.
        keep_others: whether the columns not named become attributes.
    """

    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)
    ignore: tuple[str, ...] = ()
    keep_others: bool = True


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


_Several = Annotated[list[str], BeforeValidator(_as_list), Field(min_length=1)]
_AttributeName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class _Columns(BaseModel):
    model_config = ConfigDict(extra="forbid")

    external_id: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    full_name: str | None = None
    phone: _Several | None = None
    email: _Several | None = None
    region: str | None = None
    branch: str | None = None
    workplace: str | None = None
    language: str | None = None
    time_zone: str | None = None


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    columns: _Columns = _Columns()
    attributes: dict[_AttributeName, str] = {}
    ignore: list[str] = []
    others: Literal["attributes", "ignore"] = "attributes"


def load_mapping(path: Path) -> ColumnMapping:
    """Read a mapping file.

    Raises:
        InputError: the file cannot be read, is not TOML, or has a key that means nothing; names the key.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        file = _File.model_validate(data)
    except FileNotFoundError:
        raise InputError(f"There is no file {path}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}.") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path.name} is not TOML: {error}.") from None
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, part['loc']))}: {part['msg']}" for part in error.errors()]
        raise InputError(
            f"{path.name} is not a mapping file.", problems=problems, remedy="See docs/member-files.md."
        ) from None
    named = {field: value for field, value in file.columns.model_dump().items() if value is not None}
    fields = {field: (value,) if isinstance(value, str) else tuple(value) for field, value in named.items()}
    return ColumnMapping(fields, file.attributes, tuple(file.ignore), keep_others=file.others == "attributes")
