"""Services and what their users say about them: questions with named answers.

`questions.questions.create_question` creates a question from a file read by `questions.spec`;
`questions.responses.record_response` is the only way to record an answer; `questions.answer_reading` reads one in
words; `questions.counts` has the running sums.
"""
