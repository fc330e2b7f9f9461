import pytest

from vtlab.text.shortening import shorten


@pytest.mark.parametrize(
    ("text", "language", "short"),
    [
        ("I do not know what it is.", "en", "I don't know what it is."),
        ("I am sure that is the one; we cannot wait.", "en", "I'm sure that's the one; we can't wait."),
        ("It is late and they will not come.", "en", "It's late and they won't come."),
        ("Yes, I am.", "en", None),
        ("Is he here?", "en", None),
        ("DO NOT MOVE", "en", None),
        ("Eu fui para casa. Eu tenho 2 cães.", "pt", "Fui para casa. Tenho 2 cães."),
        ("Nós vendemos a casa, e eu fiquei.", "pt", "Vendemos a casa, e eu fiquei."),
        ("Eu não sei. Nós não vamos. Eu sou o último.", "pt", "Não sei. Não vamos. Sou o último."),
        ("Eu te amo.", "pt", None),
        ("Eu mesmo fiz.", "pt", None),
        ("Ele viu que Eu sou.", "pt", None),
        ("Eu e você vamos.", "pt", None),
        ("Nós todos vamos.", "pt", None),
        ("Ich bin nicht hier.", "de", None),
    ],
)
def test_shorter(text, language, short):
    assert shorten(text, language) == short
