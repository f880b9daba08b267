"""Each example runs from its main() and does what it says."""

from __future__ import annotations

import importlib.util
import math
import re
import shutil
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import pytest

from cellstep import kernels

FOLDER = Path(__file__).parents[2] / "examples"


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_char_rnn_learns_a_text_that_repeats(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = tmp_path / "text.txt"
    text.write_text("the quick brown fox jumps over the lazy dog. " * 200, encoding="utf-8")
    program = example("char_rnn")
    monkeypatch.setattr(program, "WINDOW", 24)
    nats = program.main([str(text), "--updates", "150", "--units", "32"])
    assert nats < 0.5 * math.log(28)
    out = capsys.readouterr().out
    assert "nats per character" in out


@pytest.mark.parametrize("content", [None, "too short"])
def test_char_rnn_refuses_what_it_cannot_read(content: str | None, tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(SystemExit) as caught:
        example("char_rnn").main([str(path)])
    assert caught.value.code == 2


def test_stream_sensor_finds_the_fault(capsys: pytest.CaptureFixture[str]) -> None:
    alarms = example("stream_sensor").main(["--steps", "400", "--epochs", "8"])
    assert 300 in alarms
    # the fault disturbs the forecasts of a few values after it, and nothing else is strange
    assert all(300 <= step < 320 for step in alarms)
    assert "us a value" in capsys.readouterr().out


def test_all_four_patterns_learn() -> None:
    results = example("four_patterns").main([])
    assert list(results) == ["one_to_one", "one_to_many", "many_to_one", "many_to_many"]
    for name, (error, plain) in results.items():
        assert error < plain / 5, name


def test_one_to_one_needs_no_memory_unless_readings_have_an_order() -> None:
    errors = example("one_to_one").main([])
    floor, dense, gru = errors["best from one reading"], errors["dense net"], errors["GRU"]
    assert floor[0] < dense[0] < 1.06 * floor[0]
    assert floor[0] < gru[0]
    assert gru[1] < 0.7 * floor[1]


def test_one_to_many_goes_on_from_its_own_output() -> None:
    errors = example("one_to_many").main([])
    assert errors["noise in training"] <= 0.01
    assert errors["no noise"] > 0.05


def test_many_to_one_beats_the_commoner_result_beyond_luck(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    right = example("many_to_one").main([])
    assert right["GRU, all games so far"] > right["the commoner result"] + 0.06
    assert right["GRU, all games so far"] > right["the better win rate"]
    assert "It beats the commoner result" in capsys.readouterr().out
    season = tmp_path / "season.csv"
    season.write_text("team,date,opponent,goals_for\nA,2014-10-08,B,1\n", encoding="utf-8")
    with pytest.raises(SystemExit):
        example("many_to_one").main(["--data", str(season)])
    assert "there is no 'goals_against'" in capsys.readouterr().err


def test_tagging_needs_both_sides() -> None:
    right = example("tagging").main([])
    assert right["read from both sides"] >= 0.99
    assert right["the word's commonest tag"] < right["read from the left"] < 0.97


def test_attention_translates_what_one_state_cannot_hold() -> None:
    better, worse = example("attention").main([])
    assert better >= 0.95
    assert worse < 0.5


def test_a_state_reads_lengths_that_a_window_does_not() -> None:
    program = example("why_recurrent")
    fixed, free = program.main(["--epochs", "5"]).values()
    assert max(free) <= 0.02
    assert fixed[1] < 0.15  # it did learn what two steps mean
    assert all(error > 0.3 for error, length in zip(fixed, program.LENGTHS, strict=True) if length >= 10)


PICTURES = ("why_recurrent", "one_to_one", "one_to_many", "many_to_one", "tagging", "attention")


@pytest.mark.parametrize("name", PICTURES)
def test_the_picture_is_drawn_and_there_is_one_in_the_documentation(name: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    kept = FOLDER.parent / "docs/pictures" / f"{name}.svg"
    assert kept.stat().st_size < 100_000
    drawn = tmp_path / "picture.svg"
    example(name).main(["--epochs", "1", "--picture", str(drawn)])
    assert size(drawn) == size(kept)


def size(svg: Path) -> list[str]:
    """Width and height, as the file's head says them."""
    text = svg.read_text(encoding="utf-8")
    assert "prefers-color-scheme: dark" in text
    return re.findall(r'(?:width|height)="([^"]+)"', text[text.index("<svg") :].partition(">")[0])


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("[a-z]*.py")))
def test_what_each_program_prints_is_in_the_gallery(name: str) -> None:
    """docs/run_examples.py writes it; its times are of one machine, so that it is not compared."""
    printed = (FOLDER.parent / "docs/outputs" / f"{name}.txt").read_text(encoding="utf-8")
    assert printed.strip()
    assert "Traceback" not in printed


def test_addition_is_right_on_unseen_sums() -> None:
    assert example("addition").main(["--epochs", "15"]) >= 0.9


def test_translation_of_unseen_phrases() -> None:
    assert example("translate_characters").main([]) >= 0.9


def test_bidirectional_classification_understands_not() -> None:
    assert example("bidirectional_classification").main([]) >= 0.97


def test_generated_text_follows_the_grammar() -> None:
    shares = example("text_generation").main([])
    assert shares["temperature 0.2"] >= 0.95
    assert shares["temperature 1.5"] < shares["temperature 1.0"] < shares["temperature 1.0, top-p 0.9"]


def test_tunes_keep_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    program = example("abc_music")
    out, picture = tmp_path / "tunes.abc", tmp_path / "music.png"
    shares = program.main(["--length", "3000", "--out", str(out), "--picture", str(picture)])
    assert shares["T 0.5"] >= 0.9
    assert shares["T 1.0"] >= 0.85
    assert shares["T 1.3"] < shares["T 1.0"] < shares["T 1.0, top-p 0.9"]
    assert shares["table"] < 0.4
    said = capsys.readouterr().out
    assert shares["held out"] < shares["learned"] + 0.1
    assert "It has not learned its tunes by heart." in said
    stateful, tbptt = re.findall(r"(\d\.\d+) (?:stateful|by tbptt)", said)
    assert float(stateful) == pytest.approx(float(tbptt), abs=2e-3)
    assert program.in_time(out.read_text(encoding="utf-8")) > 0.9
    assert picture.stat().st_size > 5000


def test_few_tunes_are_learned_by_heart(capsys: pytest.CaptureFixture[str]) -> None:
    shares = example("abc_music").main(["--tunes", "70", "--epochs", "200", "--length", "100"])
    assert shares["held out"] > shares["learned"] + 0.5
    assert "It has learned its tunes by heart" in capsys.readouterr().out


def test_notes_of_a_tune() -> None:
    heard = example("abc_music").heard
    eighth = Fraction(1, 8)
    assert heard("L:1/8\nK:G\nC2F|^C=Fc'z/|C,_B") == [
        *[(12, 2 * eighth), (18, eighth), (13, eighth), (17, eighth), (36, eighth), (None, eighth / 2)],
        *[(0, eighth), (22, eighth)],
    ]
    assert [pitch for pitch, _ in heard("L:1/4\nK:Bb\nBEc|")] == [22, 15, 24]
    assert heard("L:1/4\nK:Dm\nB|") == heard("L:1/4\nK:F\nB|") == [(22, Fraction(1, 4))]
    assert [pitch for pitch, _ in heard("L:1/4\nK:D\n^c^dd|d")] == [25, 27, 27, 26]  # a sign holds for its bar


def test_tunes_become_midi_and_a_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = example("abc_music")
    tune = "X:1\nM:2/4\nL:1/8\nK:C\nC2z2|E4|]\n"
    if shutil.which("abcm2ps"):
        assert "as notes" in program.draw_score(tune, tmp_path / "score.svg")
        assert "<svg" in (tmp_path / "score.svg").read_text(encoding="utf-8")
    monkeypatch.setenv("PATH", "")
    assert "no score: abcm2ps is not installed" in program.draw_score(tune, tmp_path / "none.svg")
    mido = pytest.importorskip("mido")
    program.write_midi([tune], tmp_path / "tune.mid")
    (track,) = mido.MidiFile(tmp_path / "tune.mid").tracks
    notes = [(m.note, m.time) for m in track if m.type == "note_on"]
    assert notes == [(60, 0), (64, 480)]
    program.write_midi(["L:C:4\nK:C\nA/0|c" + 9 * "'" + "|"], tmp_path / "nonsense.mid")  # as an untrained net writes
    (track,) = mido.MidiFile(tmp_path / "nonsense.mid").tracks
    assert [m.note for m in track if m.type == "note_on"] == [69, 127]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--epochs", "1"], "--epochs must be 2 or more, got 1"), (["--data", "none"], "--data must be a file, got none")],
)
def test_arguments_are_looked_at_before_the_work(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        example("abc_music").main(arguments)
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(("option", "library"), [("--midi", "mido"), ("--picture", "matplotlib")])
def test_what_a_library_is_needed_for_is_said_before_the_work(
    option: str, library: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, package=None: None)
    with pytest.raises(SystemExit):
        example("abc_music").main([option, "file"])
    assert f"{option} needs {library}: pip install {library}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("tune", "right"),
    [
        ("M:2/4\nL:1/8\nCDEF|G4|", (2, 2)),
        ("M:2/4\nL:1/8\nCDE|G4|", (1, 2)),
        ("M:3/4\nL:1/4\n^C/D/E_F'|z3|[|C2C:|", (3, 3)),
        ("M:C\nL:1/8\nC3/2D/2 E2 F4||", (1, 1)),
        ("M:3/4\nL:1/8\nCDX|", (0, 1)),
        ("L:1/8\nCDEF|G4|", (0, 2)),
        ("M:4/4\nL:x\nCDEF|", (0, 1)),
    ],
)
def test_bars_in_time_are_counted(tune: str, right: tuple[int, int]) -> None:
    assert example("abc_music").bars_in_time(tune) == right


def test_forecast_halves_the_error_of_the_rules() -> None:
    error, rule = example("forecast").main([])
    assert error <= rule / 2


def test_masking_makes_padding_count_for_nothing() -> None:
    same, masked, plain = example("masking_and_padding").main([])
    assert same
    assert masked >= 0.99
    assert plain < 0.5


def test_rnn_guide_reads_pictures() -> None:
    assert example("rnn_guide").main([]) >= 0.95


def test_custom_loop_does_what_fit_does() -> None:
    accuracy, apart = example("custom_loop").main([])
    assert accuracy >= 0.95
    assert apart <= 1e-4


def test_pytorch_programs_give_the_same_accelerated(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    small = ["--epochs", "2", "--units", "24"]
    tagged = example("torch_tagger").main([*small, "--sentences", "64", "--longest", "20"])
    written = example("torch_language_model").main([*small, "--lines", "60"])
    for results in (tagged, written):
        assert results["accelerated"][0] == pytest.approx(results["torch.nn"][0], rel=1e-3)
    assert "trained in" in capsys.readouterr().out


def test_every_example_has_a_test() -> None:
    here = Path(__file__).read_text(encoding="utf-8")
    for path in FOLDER.glob("*.py"):
        assert f'example("{path.stem}")' in here


@pytest.mark.skipif(kernels.active().many is None, reason="many models at once are compiled")
def test_a_net_for_each_subject_knows_nearly_what_the_subject_does() -> None:
    found = example("many_subjects").main(["--subjects", "40"])
    assert found["rule"] + 0.1 < found["net"] < found["subject"] < found["net"] + 0.025
