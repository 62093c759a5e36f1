"""The processor of conversations that are analysed again."""
