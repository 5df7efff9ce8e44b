"""The page: figures as in leaderboard.json, hostile text as text, no request to anywhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from tests.screenings import rename

from emoloom.errors import EmoLoomError
from emoloom.report.html import write_report
from emoloom.report.table import columns_of, figure
from emoloom.store.run import RunFolder

HOSTILE = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "</td></table><style>@import url(http://x.example/y)</style>",
    "{{ manifest }}{% raw %}",
    "' onmouseover='alert(1)",
    "&lt;b&gt;",
    "]]><!--",
)
VOID = {"meta", "line", "circle", "polyline"}


class Page(HTMLParser):
    """Tags with their attributes, tables as rows of cell texts, and all text outside styles."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.rows: list[list[str]] = []
        self.titles: list[list[str | None]] = []
        self.text = ""
        self.style = ""
        self.feed(content)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
            self.titles.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")
            self.titles[-1].append(dict(attrs).get("title"))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "style":
            self.style += data
            return
        self.text += data
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


def drawn(run: RunFolder) -> Page:
    page = Page(write_report(run).read_text("utf-8"))
    assert page.open == []
    return page


def test_every_figure_is_that_of_the_leaderboard(run: RunFolder) -> None:
    page = drawn(run)
    board = run.read_json("leaderboard.json")
    columns = columns_of(row["metrics"] for row in board["rows"])
    heading = ["candidate", "stage", "readout", "n", *columns.values()]
    assert page.rows.count(heading) == len({row["corpus"] for row in board["rows"]}) == 1
    at = page.rows.index(heading) + 1
    for row, cells, titles in zip(board["rows"], page.rows[at:], page.titles[at:], strict=False):
        expected = [figure(row["metrics"].get(name)) for name in columns]
        assert cells == [row["candidate"], row["stage"], row["readout"], str(row["n"]), *expected]
        for name, title in zip(columns, titles[4:], strict=True):
            interval = row["intervals"].get(name)
            assert title == (f"{interval[0]:.3f} to {interval[1]:.3f}" if interval else None)
    assert len(board["rows"]) == 2


def test_the_ranking_is_drawn_to_scale(run: RunFolder) -> None:
    board = run.read_json("leaderboard.json")
    board["ranking"][0] |= {"score": 0.5, "interval": [0.25, 0.75], "group": 7}
    run.write_json("leaderboard.json", board)
    page = drawn(run)
    at = page.rows.index(["candidate", "group", "P(best)", "score", "95% interval", "0 to 1", "probe"]) + 1
    ranked = [
        [
            *(row["candidate"], str(row["group"]), figure(row["probability_of_best"]), figure(row["score"])),
            *(" to ".join(map(figure, row["interval"])), "", "–"),
        ]
        for row in board["ranking"]
    ]
    assert page.rows[at : at + len(ranked)] == ranked
    lines = [attributes for tag, attributes in page.tags if tag == "line" and "class" not in attributes]
    dots = [attributes for tag, attributes in page.tags if tag == "circle"]
    assert (lines[0]["x1"], lines[0]["x2"], dots[0]["cx"]) == ("100.0", "300.0", "200.0")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_as_text(run: RunFolder, text: str) -> None:
    harmless = drawn(run)
    rename(run, f"path:{text}", reply=text)
    board = run.read_json("leaderboard.json")
    for row in board["rows"]:
        row["corpus"] = text
    run.write_json("leaderboard.json", board)
    page = drawn(run)
    assert [tag for tag, _ in page.tags if tag != "tr"] == [tag for tag, _ in harmless.tags if tag != "tr"]
    assert [sorted(attributes) for _, attributes in page.tags] == [sorted(a) for _, a in harmless.tags]
    assert page.style == harmless.style
    assert page.text.count(text) >= 10
    shown = {cell for row in page.rows for cell in row}
    assert {text, f"path:{text}"} <= shown


def test_nothing_is_requested_from_anywhere(run: RunFolder) -> None:
    rename(run, "path:http://x.example/a", reply="see https://x.example")
    page = drawn(run)
    for tag, attributes in page.tags:
        assert tag not in {"script", "link", "img", "iframe", "object", "embed", "base", "form", "use", "image"}
        assert not {"src", "href", "srcset", "data", "action", "style", "background", "xlink:href"} & set(attributes)
        assert not any(name.startswith("on") for name in attributes)
    assert not re.search(r"@import|url\(|expression|//", page.style)
    outside = re.sub(r">[^<]*<", "><", write_report(run).read_text("utf-8").replace(page.style, ""))
    assert not re.search(r"https?:|src=|@import|url\(", outside)


def test_replies_and_outcomes_are_shown(run: RunFolder) -> None:
    rename(run, "path:a", reply='{"labels":["joy"]')
    page = drawn(run)
    replies = [row for row in page.rows if row[-1] == '{"labels":["joy"]']
    assert len(replies) == 3
    assert all(row[:3] == ["path:a", "tuned", "free"] and row[4] == "bad_json" for row in replies)


@pytest.mark.parametrize(
    ("sources", "lexicon", "shown"),
    [
        ({"gold": 6}, None, "none, all of it is gold"),
        ({"gold": 6}, {"name": "warriner", "calibrated_on": "x"}, "none, all of it is gold"),
        ({"gold": 5, "label": 1}, None, "label anchors only"),
        ({"blend": 6}, {"name": "warriner", "calibrated_on": "x"}, "warriner (calibrated on x)"),
    ],
)
def test_where_weak_vad_comes_from(
    run: RunFolder, sources: dict[str, int], lexicon: dict[str, str] | None, shown: str
) -> None:
    manifest = run.read_json("manifest.json")
    assert manifest["data"]["train"]["vad_sources"] == {"gold": 6}
    manifest["data"]["train"]["vad_sources"] = sources
    manifest["lexicon"] = lexicon
    run.write_json("manifest.json", manifest)
    assert f"Weak VAD: {shown}." in drawn(run).text


def test_drawing_twice_gives_the_same_bytes(run: RunFolder) -> None:
    first = write_report(run).read_bytes()
    assert write_report(run).read_bytes() == first


def test_an_unfinished_run_has_no_report(run: RunFolder) -> None:
    (run.path / "report.html").unlink()
    (run.path / "leaderboard.json").unlink()
    with pytest.raises(EmoLoomError, match=r"no leaderboard\.json: it has not come to its end"):
        write_report(run)
    assert not (run.path / "report.html").exists()
