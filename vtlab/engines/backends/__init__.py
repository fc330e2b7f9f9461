"""What engines run on, where several share it or it is not the engine itself.

``whisper`` finds Whisper models for the recogniser and for the translator that listens; ``seq2seq`` runs OPUS-MT and
NLLB models; ``durations`` cuts the part that decides on durations out of Piper's and Kokoro's models;
``espeak_process`` is the program that espeak speaks in.
"""
