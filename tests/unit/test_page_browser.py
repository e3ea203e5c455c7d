"""The page in a real Chromium: it draws, reacts, remembers, fetches nothing and injects nothing."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from invrbench.report.page.page import write_page
from page_reports import BUNNY, REASON, publishable, report_of, rows_with_a_failure, sources_of
from report_points import curve, info

sync_api = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
BROWSER = os.environ.get("CHROME") or shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(
    BROWSER is None, reason="needs a system browser: chromium in PATH, or its path in CHROME"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as driver:
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu"]
        with driver.chromium.launch(executable_path=BROWSER, args=flags) as made:
            yield made


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    report = report_of(rows_with_a_failure())
    write_page(folder / "index.html", report, sources_of(report, folder / "kept"))
    return folder / "index.html"


class Opener:
    """Opens pages; the one that most tests look at is loaded once, its address set anew."""

    def __init__(self, browser: Any, path: Path) -> None:
        self.browser = browser
        self.path = path
        self.complaints: list[str] = []
        self.shared: Any = None

    def __call__(self, hash_: str = "#", path: Path | None = None, width: int = 1280) -> Any:
        if path is not None or width != 1280:
            page = self.new(path or self.path, width)
            page.goto((path or self.path).as_uri() + hash_)
        else:
            page = self.shared = self.shared or self.new(self.path, width)
            page.goto(self.path.as_uri() + hash_)
            page.evaluate("() => new Promise((done) => setTimeout(done, 50))")  # hashchange
        page.wait_for_selector("#rd-plot .main-svg")
        return page

    def new(self, path: Path, width: int) -> Any:
        context = self.browser.new_context(viewport={"width": width, "height": 900})
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("console", lambda said: self.complaints.append(f"console: {said.text}"))
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))
        page.on("request", lambda asked: self.asked(asked.url, path))
        return page

    def asked(self, url: str, path: Path) -> None:
        if not url.startswith(("data:", path.as_uri())):
            self.complaints.append(f"request: {url[:99]}")


@pytest.fixture(scope="module")
def opener(browser: Any, page_file: Path) -> Opener:
    return Opener(browser, page_file)


@pytest.fixture
def open_page(opener: Opener) -> Iterator[Opener]:
    """Opens the page; whatever the console or the network says meanwhile fails the test."""
    opener.complaints.clear()
    yield opener
    for context in opener.browser.contexts:
        if opener.shared is None or context != opener.shared.context:
            context.close()
    assert opener.complaints == []


def on_clip(**state: str) -> str:
    return "#" + "&".join(f"{k}={quote(v, safe='')}" for k, v in ({"seq": BUNNY} | state).items())


def section(page: Any, name: str) -> Any:
    """A section, scrolled into sight and drawn."""
    page.evaluate("name => document.getElementById(name).scrollIntoView()", name)
    found = page.locator(f"#{name}")
    found.locator(".body > *").first.wait_for(state="attached")
    return found


def plotted(page: Any, chart: str = "rd-plot") -> list[dict[str, Any]]:
    """Names and coordinates of what a plot draws."""
    script = """id => document.getElementById(id).data.map(
        each => ({name: each.name, x: [...each.x], y: [...each.y], dash: each.line?.dash}))"""
    return list(page.evaluate(script, chart))


def sample(page: Any, x: float, y: float = 0.5) -> int:
    """Red component of the viewer's picture at a share of its width and height."""
    page.wait_for_selector("#viewer[data-ready='true']")
    script = """([x, y]) => {
        const shown = document.getElementById("viewer");
        const copy = document.createElement("canvas");
        const [column, row] = [Math.floor(x * shown.width), Math.floor(y * shown.height)];
        const context = copy.getContext("2d", {willReadFrequently: true});
        context.drawImage(shown, column, row, 1, 1, 0, 0, 1, 1);
        return context.getImageData(0, 0, 1, 1).data[0];
    }"""
    return int(page.evaluate(script, [x, y]))


def test_the_page_draws_every_section_without_a_complaint(open_page: Opener) -> None:
    page = open_page(on_clip())
    for name in ("summary", "rd", "pictures", "slices", "frames", "bd", "cost", "coverage", "run"):
        assert section(page, name).is_visible()
    for chart in ("rd-plot", "frames-plot", "cost-plot"):
        page.wait_for_selector(f"#{chart} .main-svg")
    assert "incomplete: " in page.locator("#marks").inner_text()


def test_plots_have_no_button_that_sends_their_data_away(open_page: Opener) -> None:
    page = open_page(on_clip())
    buttons = page.locator("#rd-plot .modebar-btn").evaluate_all("all => all.map(e => e.ariaLabel)")
    assert "Download plot as a PNG" in buttons
    assert not [label for label in buttons if "share" in label.lower() or "cloud" in label.lower()]


def test_the_plot_holds_the_points_of_the_table(open_page: Opener) -> None:
    page = open_page(on_clip())
    [hevc] = [each for each in plotted(page) if each["name"].startswith("HEVC")]
    given = sorted(curve(rows_with_a_failure(), BUNNY, "hevc"), key=lambda p: p["rate_kbps"])
    assert hevc["x"] == [round(p["rate_kbps"], 3) for p in given]
    assert hevc["y"] == [round(p["psnr_y_db"], 4) for p in given]


def test_selectors_change_the_plot(open_page: Opener) -> None:
    page = open_page()
    names = {each["name"] for each in plotted(page)}
    assert any(name.startswith("INRIC") for name in names)
    page.get_by_label("Sequence", exact=True).select_option(BUNNY)
    assert any(each["name"].startswith("FFNeRV") for each in plotted(page))
    assert not any(each["name"].startswith("INRIC") for each in plotted(page))
    before = plotted(page)[0]["y"]
    page.get_by_label("Metric", exact=True).first.select_option("vmaf")
    assert plotted(page)[0]["y"] != before
    assert "VMAF" in page.locator("#rd-plot .ytitle").text_content()


def test_three_seeds_are_drawn_as_a_band_around_their_mean(
    open_page: Opener, tmp_path: Path
) -> None:
    rows = rows_with_a_failure()
    own = curve(rows, BUNNY, "ffnerv")
    rows += [p | {"seed": s, "psnr_y_db": p["psnr_y_db"] + s} for s in (1, 2) for p in own]
    write_page(tmp_path / "index.html", report_of(rows))
    page = open_page(on_clip(), path=tmp_path / "index.html")
    band, mean, seeds = [t for t in plotted(page) if (t["name"] or "FFNeRV").startswith("FFNeRV")]
    first = sorted(round(p["psnr_y_db"], 4) for p in own)
    assert sorted(band["y"]) == pytest.approx(sorted([*first, *(v + 2 for v in first)]))
    assert mean["y"] == pytest.approx([v + 1 for v in first])
    assert len(seeds["y"]) == 3 * len(own)


def test_the_rate_axis_becomes_logarithmic(open_page: Opener) -> None:
    page = open_page(on_clip())
    kind = "() => document.getElementById('rd-plot')._fullLayout.xaxis.type"
    assert page.evaluate(kind) == "linear"
    page.get_by_role("button", name="logarithmic").click()
    assert page.evaluate(kind) == "log"


def test_a_failed_point_shows_its_reason_beneath_the_plot_and_in_the_panel(
    open_page: Opener,
) -> None:
    page = open_page(on_clip())
    absent = page.locator("#absent")
    assert REASON in absent.inner_text()
    failed = curve(rows_with_a_failure(), BUNNY, "hnerv")[1]["rate_point"]
    absent.get_by_role("button", name=failed).click()
    panel = page.get_by_role("dialog")
    assert f"failed: {REASON}" in panel.inner_text()
    panel.locator("summary").first.click()
    assert "<b>bold</b>" in panel.inner_text()
    page.keyboard.press("Escape")
    assert not panel.is_visible()
    assert absent.get_by_role("button", name=failed).evaluate("e => e === document.activeElement")
    assert REASON in section(page, "coverage").inner_text()


def test_a_clicked_point_shows_its_values_records_and_commands(open_page: Opener) -> None:
    page = open_page(on_clip())
    section(page, "rd")
    box = page.locator("#rd-plot .trace").first.locator("path.point").last.bounding_box()
    centre = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.move(*centre, steps=3)
    page.locator("#rd-plot .hoverlayer .hovertext").wait_for()
    page.mouse.click(*centre)
    panel = page.get_by_role("dialog")
    point = curve(rows_with_a_failure(), BUNNY, "avc")
    folders = [f"results/{BUNNY}/avc/{p['configuration']}/{p['rate_point']}/s0" for p in point]
    commands = panel.locator("#commands").inner_text()
    [folder] = [each for each in folders if f"invrbench decode {each} --ctc mini" in commands]
    assert f"invrbench measure-point {folder} picture --ctc mini" in commands
    [link] = panel.get_by_role("link", name=f"{folder}/encode.json").all()
    assert link.get_attribute("href") == f"../../{quote(folder)}/encode.json"
    assert "Bitstream (bytes)" in panel.inner_text()


def test_a_number_of_the_first_table_leads_to_its_sequences_points_and_records(
    open_page: Opener,
) -> None:
    page = open_page()
    row = page.locator("#summary tbody tr", has_text="FFNeRV")
    row.get_by_role("button").first.click()
    panel = page.get_by_role("dialog")
    assert BUNNY in panel.locator("#members").inner_text()
    panel.locator("#members").get_by_role("button").first.click()
    point = curve(rows_with_a_failure(), BUNNY, "ffnerv")[0]
    panel.get_by_role("button", name=point["rate_point"]).click()
    folder = f"results/{BUNNY}/ffnerv/{point['configuration']}/{point['rate_point']}/s0"
    assert panel.get_by_role("link", name=f"{folder}/decode.json").is_visible()
    page.keyboard.press("Escape")


def test_dragging_the_line_wipes_between_the_two_pictures(open_page: Opener) -> None:
    # the left point is the first of its curve (grey 101), the right one the third (grey 103)
    sides = [curve(rows_with_a_failure(), BUNNY, codec) for codec in ("hevc", "ffnerv")]
    names = [f"{p['codec']}/{p['configuration']}/{p['rate_point']}/s0"
             for p in (sides[0][0], sides[1][2])]  # fmt: skip
    page = open_page(on_clip(a=names[0], b=names[1]))
    section(page, "pictures")
    assert (sample(page, 0.3), sample(page, 0.7)) == (101, 103)
    box = page.locator("#viewer").bounding_box()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 40, steps=4)
    page.mouse.up()
    assert (sample(page, 0.1), sample(page, 0.3)) == (101, 103)
    page.locator("#viewer").focus()
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    assert sample(page, 0.5) == 101


def test_the_key_f_flips_source_left_and_right(open_page: Opener) -> None:
    sides = [curve(rows_with_a_failure(), BUNNY, codec) for codec in ("hevc", "ffnerv")]
    names = [f"{p['codec']}/{p['configuration']}/{p['rate_point']}/s0"
             for p in (sides[0][0], sides[1][2])]  # fmt: skip
    page = open_page(on_clip(a=names[0], b=names[1]))
    section(page, "pictures")
    page.locator("#viewer").focus()
    seen = []
    for _ in range(3):
        page.keyboard.press("f")
        page.wait_for_selector("#viewer[data-ready='true']")
        seen.append(sample(page, 0.5))
    assert seen == [100, 101, 103]


def test_differences_to_the_source_are_shown_eight_times_as_large(open_page: Opener) -> None:
    right = curve(rows_with_a_failure(), BUNNY, "ffnerv")[2]
    side = f"ffnerv/{right['configuration']}/{right['rate_point']}/s0"
    page = open_page(on_clip(b=side, mode="right"))
    section(page, "pictures")
    assert sample(page, 0.5) == 103
    page.get_by_label("difference ×8 to the source").check()
    page.wait_for_function("() => document.querySelector('#viewer')?.dataset.ready === 'true'")
    assert sample(page, 0.5) == 128 + 8 * 3


def test_the_viewer_says_what_it_shows_with_the_quality_of_that_frame(open_page: Opener) -> None:
    page = open_page(on_clip(frame="16"))
    shown = section(page, "pictures").locator("#side-right").inner_text()
    assert "bytes" in shown and "kbit/s" in shown
    assert "PSNR-Y (dB) of frame 16: 31.6000" in shown  # 30 + 16 / 10


def test_magnifying_shows_samples_and_keeps_the_state(open_page: Opener) -> None:
    page = open_page(on_clip())
    section(page, "pictures").get_by_label("larger").click()
    assert "Magnified ×2.0" in page.locator("#pictures").inner_text()
    assert "zoom=2" in page.url
    smooth = "() => document.getElementById('viewer').getContext('2d').imageSmoothingEnabled"
    assert page.evaluate(smooth) is False


def test_columns_of_bd_rates_sort_up_and_down(open_page: Opener) -> None:
    page = open_page(on_clip())
    section(page, "bd")
    head = page.locator("#bd-table th", has_text="BD-rate")

    def numbers() -> list[float]:
        heads = page.locator("#bd-table th").all_inner_texts()
        index = next(i for i, text in enumerate(heads) if text.startswith("BD-rate"))
        cells = page.locator(f"#bd-table tbody td:nth-child({index + 1})").all_inner_texts()
        return [float(text.split("%")[0]) for text in cells if "%" in text]

    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert numbers() == sorted(numbers()) and len(numbers()) > 10
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert numbers() == sorted(numbers(), reverse=True)


def test_the_address_restores_the_state(open_page: Opener) -> None:
    page = open_page()
    page.get_by_label("Sequence", exact=True).select_option(BUNNY)
    page.get_by_role("button", name="logarithmic").click()
    page.get_by_label("Metric", exact=True).first.select_option("vmaf")
    url = page.url
    page.reload()
    page.wait_for_selector("#rd-plot .main-svg")
    assert page.url == url
    assert page.get_by_label("Sequence", exact=True).input_value() == BUNNY
    assert page.get_by_label("Metric", exact=True).first.input_value() == "vmaf"
    assert page.evaluate("() => document.getElementById('rd-plot')._fullLayout.xaxis.type") == "log"


def test_an_address_of_another_report_falls_back(open_page: Opener) -> None:
    page = open_page("#seq=elsewhere&metric=none&zoom=x&wipe=-7&mode=%E0%A4%A&constructor=1")
    assert page.get_by_label("Sequence", exact=True).input_value() == "bikes-still"


def test_the_page_fits_a_phone(open_page: Opener) -> None:
    page = open_page(on_clip(), width=390)
    for name in ("summary", "rd", "pictures", "bd", "cost", "coverage"):
        section(page, name)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390


def test_a_run_in_which_every_point_failed_opens_and_says_why(
    open_page: Opener, tmp_path: Path
) -> None:
    rows = rows_with_a_failure()
    for each in rows:
        numbers = [name for name, value in each.items() if isinstance(value, int | float)]
        each |= dict.fromkeys(numbers) | {"seed": 0, "status": "failed", "reason": REASON}
    write_page(tmp_path / "index.html", report_of(rows))
    page = open_page(on_clip(), path=tmp_path / "index.html")
    for name in ("summary", "pictures", "slices", "frames", "bd", "cost", "coverage"):
        section(page, name)
    assert plotted(page) == []
    assert REASON in page.locator("#absent").inner_text()
    assert page.locator("#failures > ul > li").count() == len(rows) - 4  # without controls


def test_long_and_foreign_names_do_not_widen_the_page(open_page: Opener, tmp_path: Path) -> None:
    rows = rows_with_a_failure()
    name = "符号化" * 60
    for each in curve(rows, BUNNY, "ffnerv"):
        each["codec"] = name
    write_page(tmp_path / "index.html", report_of(rows))
    page = open_page(on_clip(), path=tmp_path / "index.html", width=390)
    for each in ("summary", "pictures", "frames", "bd", "cost"):
        section(page, each)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    page.locator("#rd details summary").first.click()
    page.locator("#rd details").get_by_role("button").last.click()
    assert name in page.get_by_role("dialog").inner_text()


def test_no_picture_leaves_of_a_sequence_of_which_nothing_may_be_published(
    open_page: Opener, tmp_path: Path
) -> None:
    report = report_of(rows_with_a_failure(), publishable(info(), "no"))
    path = tmp_path / "index.html"
    write_page(path, report, sources_of(report, tmp_path / "kept"))
    assert b"UklGR" not in path.read_bytes()  # RIFF, as base64
    page = open_page(on_clip(), path=path)
    assert "no picture of this sequence may be published" in section(page, "pictures").inner_text()


def test_results_without_previews_name_the_command_that_makes_them(
    open_page: Opener, tmp_path: Path
) -> None:
    path = tmp_path / "index.html"
    write_page(path, report_of(rows_with_a_failure()))
    page = open_page(on_clip(), path=path)
    said = section(page, "pictures").inner_text()
    assert "no preview kept; decode again with: invrbench decode results/" in said
    assert "No per-frame values" in section(page, "frames").inner_text()


def test_a_codec_whose_name_is_markup_is_shown_as_text(open_page: Opener, tmp_path: Path) -> None:
    evil = "<img src=x onerror=alert(1)>"
    rows = rows_with_a_failure()
    for each in curve(rows, BUNNY, "ffnerv"):
        each["codec"] = evil
    rows[-3]["reason"] = f"</script>{evil}"
    report = report_of(rows, publishable(info(notes=(evil,), title=evil)))
    path = tmp_path / "index.html"
    write_page(path, report, sources_of(report, tmp_path / "kept"))
    page = open_page(on_clip(), path=path)
    for name in ("summary", "pictures", "slices", "frames", "bd", "cost", "coverage", "run"):
        section(page, name)
    page.locator("#rd details summary").first.click()
    page.locator("#rd details").get_by_role("button").last.click()
    assert page.locator("img[src='x']").count() == 0
    assert evil in page.locator("#title").inner_text()
    assert evil in page.locator("#rd-plot .legendtext").last.text_content()
    assert f"'results/{BUNNY}/{evil}/" in page.locator("#commands").inner_text()
