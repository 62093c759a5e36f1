"""What the bodies of help desks say: one pure module for each, the same for webhooks and for files.

Each module has `conversations_in(body)`, which takes decoded JSON and gives conversations with their messages. They
import the standard library, inscriptis and each other, so that the importer of files can use them as well.
"""
