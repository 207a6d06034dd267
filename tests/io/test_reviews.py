import pytest

from immunescape.errors import OutputError
from immunescape.io.reviews import Answer, append_answer, read_answers


def answer(time="2024-05-01T10:00:00.000000Z", reader="A", said="yes"):
    return Answer(
        time=time, reader=reader, marker="cd8", called="positive", answer=said,
        x_um=12.34567, y_um=0.5, gate="cd8_membrane_mean > 3.2",
    )  # fmt: skip


def test_rows_are_added_and_read_back(tmp_path):
    path = tmp_path / "P01.session" / "review.csv"
    assert read_answers(path).empty
    append_answer(path, answer())
    append_answer(path, answer(reader='Dr "B", Łódź\nfloor 2', said="cannot tell"))
    assert path.read_text(encoding="utf-8").splitlines() == [
        "time,reader,marker,called,answer,x_um,y_um,gate",
        "2024-05-01T10:00:00.000000Z,A,cd8,positive,yes,12.346,0.500,cd8_membrane_mean > 3.2",
        '2024-05-01T10:00:00.000000Z,"Dr ""B"", Łódź floor 2",cd8,positive,cannot tell,12.346,'
        "0.500,cd8_membrane_mean > 3.2",
    ]
    table = read_answers(path)
    assert table["reader"].tolist() == ["A", 'Dr "B", Łódź floor 2']
    assert table["x_um"].tolist() == [12.346, 12.346]


def test_a_row_cut_by_a_crash_is_lost_alone(tmp_path):
    path = tmp_path / "review.csv"
    append_answer(path, answer(reader="A"))
    append_answer(path, answer(reader="B"))
    path.write_bytes(path.read_bytes()[:-9])
    assert read_answers(path)["reader"].tolist() == ["A"]
    append_answer(path, answer(reader="C"))
    assert read_answers(path)["reader"].tolist() == ["A", "C"]


def test_a_header_cut_by_a_crash_is_written_again(tmp_path):
    path = tmp_path / "review.csv"
    path.write_text("time,read", encoding="utf-8")
    assert read_answers(path).empty
    append_answer(path, answer())
    assert len(read_answers(path)) == 1


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "\x00\n\n"])
def test_another_file_is_refused_by_name(tmp_path, text):
    path = tmp_path / "review.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(OutputError, match=r"^review\.csv is no table of answers"):
        read_answers(path)


def test_an_answer_that_means_nothing_is_refused(tmp_path):
    path = tmp_path / "review.csv"
    append_answer(path, answer())
    path.write_text(path.read_text(encoding="utf-8").replace(",yes,", ",maybe,"), encoding="utf-8")
    with pytest.raises(OutputError, match="no table of answers"):
        read_answers(path)
