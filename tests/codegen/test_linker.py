# SPDX-License-Identifier: Apache-2.0
"""What the linker makes of objects, rule by rule; whole firmware is held to it in test_sizes.py."""

from __future__ import annotations

from tinykit.codegen.linker import Call, Linked, Object, Section, _members, link


def _object(*sections: Section, **symbols: int) -> Object:
    return Object(sections, {name: (number, 0) for name, number in symbols.items()})


def test_what_nothing_refers_to_goes() -> None:
    one = _object(
        Section(".text.start", 8, 4, refs=(1, "far")),
        Section(".rodata.near", 4, 4),
        Section(".text.unused", 100, 4, refs=("far",)),
        start=0,
    )
    other = _object(Section(".text.far", 16, 4), Section(".bss.unused", 64, 4), far=0)
    assert link([one, other], ["start"]) == Linked(text=28, data=0, bss=0, code=24)


def test_the_first_of_two_definitions_counts() -> None:
    start = _object(Section(".text.start", 4, 4, refs=("copy",)), start=0)
    own = _object(Section(".text.copy", 8, 4), copy=0)
    library = _object(Section(".text.copy", 400, 4), copy=0)
    assert link([start, own, library], ["start"]).text == 12


def test_libraries_give_what_is_missing_in_the_order_of_their_members() -> None:
    start = _object(Section(".text.start", 4, 4, refs=("b",)), start=0)
    member_a = _object(Section(".text.a", 4, 4), a=0)
    member_b = _object(Section(".text.b", 8, 4, refs=("a", "c")), b=0)
    member_c = _object(Section(".text.c", 16, 4), c=0)
    spare = _object(Section(".text.spare", 64, 4), spare=0)
    library = [member_a, member_b, member_c, spare]
    # `a` is known to be missing when it has been passed by: it comes after `c`.
    assert _members([start], [library]) == [member_b, member_c, member_a]
    assert link([start], ["start"], [library]).text == 32


def test_a_weak_definition_gives_way() -> None:
    start = _object(Section(".text.start", 4, 4, refs=("copy",)), start=0)
    weak = Object((Section(".text.copy", 8, 4),), {"copy": (0, 0)}, frozenset({"copy"}))
    strong = _object(Section(".text.copy", 16, 4), copy=0)
    assert link([start, weak], ["start"]).text == 12
    assert link([start, weak, strong], ["start"]).text == 20


def test_vectors_come_first_then_code_then_constants() -> None:
    one = _object(
        Section(".rodata.byte", 1, 1),
        Section(".text.start", 2, 2, refs=(0,)),
        Section(".vectors", 64, 4, refs=("start",)),
        start=1,
    )
    # 64 of vectors, 2 of code, 1 of constants, 1 to the whole word.
    assert link([one], []) == Linked(text=68, data=0, bss=0, code=66)


def test_sections_lie_at_their_alignment() -> None:
    one = _object(
        Section(".text.start", 4, 4, refs=(1, 2, 3, 4)),
        Section(".bss.odd", 5, 1),
        Section(".bss.arena", 16, 8),
        Section(".rodata.wide", 16, 8),
        Section(".data.state", 6, 4),
        start=0,
    )
    assert link([one], ["start"]) == Linked(text=24, data=8, bss=24, code=4)


def test_equal_texts_become_one_and_endings_a_part_of_the_longer() -> None:
    texts = (
        ("pass\0", "features\0"),
        # Equal to one; the end of another at a place where a text may begin; at one where not.
        ("pass\0", "ures\0", "res\0"),
    )
    objects = [
        _object(
            Section(f".text.f{i}", 4, 4, refs=(1, "f1")),
            Section(f".rodata.f{i}.str1.4", 99, 4, constants=constants),
            **{f"f{i}": 0},
        )
        for i, constants in enumerate(texts)
    ]
    # "pass" with its end takes 8, "features" 9, filled to 12; "res" takes 4.
    assert link(objects, ["f0"]).text == 8 + 8 + 12 + 4


def test_numbers_that_may_be_one_are() -> None:
    one = _object(
        Section(".text.f", 4, 4, refs=(1, 2)),
        Section(".rodata.cst4", 8, 4, constants=("\1\2\3\4", "\0\0\0\0")),
        Section(".rodata.cst4", 4, 4, constants=("\0\0\0\0",)),
        f=0,
    )
    assert link([one], ["f"]).text == 12


def _far(between: int) -> int:
    """Bytes of code with a call over `between` bytes."""
    one = _object(
        Section(".text.start", 10, 2, refs=("gap", "end"), calls=(Call(2, "end", 0),)),
        start=0,
    )
    gap = _object(Section(".text.gap", between, 2), gap=0)
    end = _object(Section(".text.end", 4, 2), end=0)
    return link([one, gap, end], ["start"]).code - between - 4


def test_a_call_takes_two_bytes_near_by_and_four_farther_off() -> None:
    # From the call at 2 to the end at 10 + gap, and the margin of the alignment.
    reach = 2048 - 2 - (10 - 2)
    assert _far(reach - 2) == 10 - 6
    assert _far(reach) == 10 - 4


def test_a_call_back_knows_how_much_came_out_before_it() -> None:
    """Calls to what comes before see its new place; this one's own section has the old one."""
    calls = tuple(Call(8 * i, "start", 0) for i in range(200))
    start = _object(Section(".text.start", 2, 2, refs=("many",)), start=0)
    many = _object(Section(".text.many", 1600, 2, refs=("start",), calls=calls), many=0)
    again = _object(
        Section(".text.again", 8, 2, refs=("many", "start"), calls=(Call(0, "start", 0),)), again=0
    )
    code = link([start, many, again], ["again"]).code
    assert code == 2 + 1600 - 200 * 6 + 8 - 6


def test_fillings_are_as_large_as_they_must_be() -> None:
    def code(before: int) -> int:
        calls = (Call(0, "start", 0),) * before
        return link(
            [
                _object(
                    Section(".text.start", 12 + 2, 4, calls=calls, fills=((10, 2),), refs=()),
                    start=0,
                )
            ],
            ["start"],
        ).code

    # Ten bytes, filled to twelve, two more; or four and none, two more.
    assert code(0) == 14
    assert code(1) == 6


def test_objects_survive_json() -> None:
    section = Section(".text.f", 8, 2, refs=(1, "g"), calls=(Call(0, "g", 4),), fills=((6, 2),))
    texts = Section(".rodata.str1.1", 2, 1, constants=("a\0",))
    one = Object((section, texts), {"f": (0, 4)}, frozenset({"f"}))
    assert Object.of_dict(one.as_dict()) == one
