"""Text classification: from a file of sentences to a model in use.

`classifier.SentimentClassifier` is the job; the other modules are its parts.
"""
