"""Replies to messages: classification, processing of answers, the reply inbox."""
