"""Measures how well a collection answers judged questions: sets in, figures with intervals out."""
