"""Replies: classification, answers, the reply inbox."""
