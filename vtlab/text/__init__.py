"""Text between recognition and speech: sentences, what is kept in translation, and numbers in words."""
