"""The dashboard: pages for people, drawn by Streamlit from what the service answers to its Python client."""
