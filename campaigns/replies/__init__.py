"""Replies to messages: classification, processing of answers, auto replies, the reply inbox."""
