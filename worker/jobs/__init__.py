"""Long jobs: `running` is what a kind of job is written against, `processor` claims them and runs them by kind."""
