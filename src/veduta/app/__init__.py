"""The web app: a FastAPI server over one pool, and its pages.

server.py puts it together; guard.py decides who may ask; session.py holds the open pool; one file in api/ answers one
kind of question. The pages are TypeScript in ui/, built into static/ by `make ui`. Nothing is kept outside the pool and
the page's URL, so that the server can be stopped and started at any time.
"""
