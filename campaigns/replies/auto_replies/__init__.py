"""Auto replies: everything that Muster itself answers to a text or mail. All other replies are answered by people.

| module | what came | answer (its words in `templates/words.toml`) |
| --- | --- | --- |
| `confirmations` | a text that opts out in words | that it was understood (`sms_stopped`) |
| `confirmations` | a text with pictures | that we cannot see them, once a phone (`sms_no_pictures`) |
| `ask_back` | an answer that cannot be read | how to answer, once (`ask_back`, `ask_which`) |
| `ask_back` | words that take back no answer, or one of several | that (`nothing_to_undo`, `undo_which`) |
| `ask_back` | words that seem to take an answer back | that somebody will read them (`will_read`) |
| `taken_back` | words that take an answer back | what counts now (`took_back`, `undone_to`) |

`campaigns.replies.asking_words` says how to answer, and renders our texts again to recognise them in replies; `sending`
queues them.
Keywords that a provider itself confirms, such as STOP at Twilio, are not confirmed again (`webhooks/sms/`).
"""
