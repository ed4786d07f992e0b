import pytest

from veduta.errors import BadInput
from veduta.models.text.spelled import END, START, Spelled, fit_spelled, spelling
from veduta.models.text.words import fit_words, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A dog, running: FAST!", ["a", "dog", "running", "fast"]),
        ("don't don\u2019t rock 'n' roll's", ["don't", "don't", "rock", "n", "roll's"]),
        ("grinning_face :smile: 2nd", ["grinning", "face", "smile", "2nd"]),
        ("Über naïve Straße", ["über", "naïve", "straße"]),
        ("u\u0308ber", ["über"]),
        ("हिन्दी शब्द", ["हिन्दी", "शब्द"]),
        ("كِتَاب", ["كِتَاب"]),
        ("赤い車 red", ["赤", "い", "車", "red"]),
        ("ＡＢＣ", ["abc"]),
        ("", []),
        ("🙂 !? _", []),
    ],
)
def test_words(text, words):
    assert words_of(text) == words


def test_vocabulary_is_of_words_that_occur_twice():
    assert fit_words(["a cat and a dog", "a dog", "The cat"]) == ["a", "cat", "dog"]
    with pytest.raises(BadInput, match="no word occurs 2 times or more in the 2 training texts"):
        fit_words(["one two", "three"])


def test_unknown_words_are_spelled():
    fitted = fit_spelled(["red red car", "red cab", "a car"])
    assert fitted["words"] == ["red", "car"]
    # Letters of "cab" and "a", which occur once: only these are trained as letters.
    assert fitted["letters"] == ["^a", "^c", "a", "b"]
    spelled = Spelled(fitted["words"], fitted["letters"], 10)
    red, car, first_c, inner_a, inner_b = 3, 4, 6, 7, 8
    assert spelled.row("Red car") == [START, red, car, END]
    assert spelled.row("cab red") == [START, first_c, inner_a, inner_b, red, END]
    assert spelled.row("cob") == [START, first_c, inner_b, END]
    assert spelled.row("zoo 車") == [START, END]
    assert spelled.unknown(["zoo", "cob", "", "red"]).tolist() == [True, False, True, False]
    assert spelled.size == 9
    assert spelling("cab") == ["^c", "a", "b"]


def test_long_texts_keep_their_end():
    spelled = Spelled(["a"], [], 5)
    assert spelled.row("a " * 50) == [START, 3, 3, 3, END]
    assert spelled.ids(["a", "a a a a"]).tolist() == [[1, 3, 2, 0, 0], [1, 3, 3, 3, 2]]


def test_texts_without_any_word():
    with pytest.raises(BadInput, match="none of the 2 training texts holds a word"):
        fit_spelled(["", "🙂"])
