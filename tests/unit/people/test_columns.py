"""Columns are recognised by their names, by aliases, or by a mapping file; errors name the nearest ones."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputError
from people.imports.columns import attribute_name, map_columns
from people.imports.mapping import ColumnMapping, load_mapping
from people.imports.rows import language_code, split_name


def meanings(*header: str, mapping: ColumnMapping | None = None) -> dict[str, str]:
    return map_columns(header, mapping or ColumnMapping(), reserved=["organisation"]).meanings()


@pytest.mark.parametrize(
    "label",
    [
        "Phone 1 - Type",
        "Phone 2 - Label",
        "E-mail 1 - Label",
        "E-mail Display Name",
        "E-mail 2 Type",
        "E-mail 3 Display Name",
    ],
)
def test_a_column_with_the_kind_of_an_address_becomes_no_attribute(label: str) -> None:
    assert meanings("member id", label, "Phone band") == {
        "member id": "external_id", "Phone band": "attributes.phone_band",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("label", "meaning"),
    [
        ("First Name", "first_name"),
        ("FORENAME", "first_name"),
        ("given_name", "first_name"),
        ("Surname", "last_name"),
        ("full  name", "full_name"),
        ("E-Mail", "email"),
        ("email address", "email"),
        ("Work e-mail", "email"),
        ("Email 2", "email"),
        ("Mobile", "phone"),
        ("Mobile Phone No.", "phone"),
        ("Second mobile", "phone"),
        ("Tel.", "phone"),
        ("TELEPHONE NUMBER", "phone"),
        ("Home phone", "phone"),
        ("E-mail 1 - Value", "email"),
        ("E-mail 2 - Value", "email"),
        ("E-mail 3 Address", "email"),
        ("Phone 1 - Value", "phone"),
        ("Business Phone 2", "phone"),
        ("Mobile (personal)", "phone"),
        ("Email - Work", "email"),
        ("Company Main Phone", "attributes.company_main_phone"),
        ("Business Fax", "attributes.business_fax"),
        ("REGION", "region"),
        ("Branch Name", "branch"),
        ("Work place", "workplace"),
        ("Preferred language", "language"),
        ("timezone", "time_zone"),
        ("Pay band (2026)", "attributes.pay_band_2026"),
        ("Ŵyn", "attributes.wyn"),
        ("2nd choice", "attributes.column_2nd_choice"),
        ("№", "attributes.no"),
        ("名前", "attributes.column_2"),
        ("organisation", "attributes.member_organisation"),
        ("attributes.grade", "attributes.grade"),
    ],
)
def test_headers_are_understood_in_any_spelling(label: str, meaning: str) -> None:
    clean = " ".join(label.split())
    assert meanings("Member ID", label)[clean] == meaning


@pytest.mark.parametrize("label", ["member_id", "Membership No.", "MEMBERSHIP NUMBER", "\ufeffMember Id", "ID", "Ref"])
def test_the_membership_number_is_found(label: str) -> None:
    assert next(iter(meanings(label, "Surname").values())) == "external_id"


def test_the_better_name_wins_and_the_other_is_an_attribute() -> None:
    assert meanings("ID", "Membership number") == {"ID": "attributes.id", "Membership number": "external_id"}


def test_addresses_are_tried_first_before_second_and_mobiles_before_phones() -> None:
    columns = map_columns(["id", "Second mobile", "Home phone", "Mobile", "Phone", "Email 2", "Email"], ColumnMapping())
    assert [column.label for column in columns.fields["phone"]] == ["Mobile", "Phone", "Home phone", "Second mobile"]
    assert [column.label for column in columns.fields["email"]] == ["Email", "Email 2"]


def test_a_contact_programs_addresses_are_tried_in_its_own_order() -> None:
    columns = map_columns(
        ["id", "Phone 2 - Value", "Phone 1 - Value", "E-mail 2 Address", "E-mail Address", "Email - Work"],
        ColumnMapping(),
    )
    assert [column.label for column in columns.fields["phone"]] == ["Phone 1 - Value", "Phone 2 - Value"]
    assert [column.label for column in columns.fields["email"]] == [
        "E-mail Address",
        "Email - Work",
        "E-mail 2 Address",
    ]


def test_a_missing_membership_number_names_the_columns_and_near_misses() -> None:
    with pytest.raises(InputError) as caught:
        map_columns(["Mmbership numbr", "Name"], ColumnMapping(), line=4)
    assert "“Mmbership numbr”, “Name”" in caught.value.problems[0]
    assert "columns of row 4" in caught.value.problems[0]
    assert "Is it “Mmbership numbr”?" in caught.value.remedy
    assert "--header-row" in caught.value.remedy


@pytest.mark.parametrize("label", ["Household ref", "Patient no", "patient number", "NHS Number", "Tenant ID"])
def test_the_number_of_whomever_an_organisation_serves_is_recognised(label: str) -> None:
    assert meanings(label, "Name")[label] == "external_id"


def test_a_column_whose_name_ends_like_a_number_is_offered() -> None:
    with pytest.raises(InputError) as caught:
        map_columns(["Allotment ref", "Name", "Street"], ColumnMapping(), line=3)
    assert "Is it “Allotment ref”? Rename it to reference" in caught.value.remedy


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (["id", "Email", "email "], "Two columns are called"),
        (["id", "Start date", "start-date"], "would both be the attribute start_date"),
        (["id", "attributes.email"], "cannot be called email"),
        (["", " "], "No column holds the number or reference"),
    ],
)
def test_headers_that_cannot_be_told_apart_are_refused(header: list[str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        map_columns(header, ColumnMapping())


def test_a_mapping_file_goes_before_names(tmp_path: Path) -> None:
    path = tmp_path / "map.toml"
    path.write_text(
        'ignore = ["NI number"]\nothers = "ignore"\n[columns]\nexternal_id = "Ref"\nphone = ["Mob", "Tel (home)"]\n'
        '[attributes]\npay_band = "Grade / band"\n'
    )
    header = ["ID", "Ref", "Tel (home)", "Mob", "Grade / band", "NI number", "Email", "Other"]
    assert meanings(*header, mapping=load_mapping(path)) == {
        "Ref": "external_id",
        "Tel (home)": "phone",
        "Mob": "phone",
        "Grade / band": "attributes.pay_band",
        "Email": "email",
    }


def test_a_mapping_file_that_names_a_missing_column_says_what_is_near() -> None:
    with pytest.raises(InputError, match="Did you mean “Surname”"):
        meanings("id", "Surname", mapping=ColumnMapping(fields={"last_name": ("Surnam",)}))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("columns = 3", "columns"),
        ("[colums]\nemail = 'x'", "colums"),
        ("[columns]\nemial = 'x'", "columns.emial"),
        ("[attributes]\n'Pay band' = 'x'", "Pay band"),
        ("not toml", "is not TOML"),
    ],
)
def test_a_wrong_mapping_file_is_refused_by_key(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "map.toml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load_mapping(path)
    assert words in str(caught.value)


def test_a_mapping_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no file"):
        load_mapping(tmp_path / "none.toml")


@given(st.text(min_size=1), st.integers(0, 50))
def test_any_header_makes_a_name_templates_can_write(label: str, index: int) -> None:
    name = attribute_name(label, index)
    assert name.isidentifier()
    assert name.isascii()
    assert name == name.lower()
    assert attribute_name(name, index) == name


@pytest.mark.parametrize(
    ("full", "names"),
    [
        ("Amy Jones", ("Amy", "Jones")),
        ("Jones, Amy", ("Amy", "Jones")),
        ("Dr. Amy van Dyk", ("Amy", "van Dyk")),
        ("Amy", ("Amy", "")),
        ("", ("", "")),
    ],
)
def test_full_names_are_split(full: str, names: tuple[str, str]) -> None:
    assert split_name(full) == names


def test_languages_are_known_by_code_and_by_name() -> None:
    assert [language_code(text)[0] for text in ("Welsh", "cy", "CY", "en_GB", "Klingonese!")] == [
        "cy", "cy", "cy", "en-gb", None,
    ]  # fmt: skip
