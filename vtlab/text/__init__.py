"""Text between recognition and speech: sentences, what is kept in translation, and how numbers are said."""
