"""Certificates and what belongs to them: read, checked, named, renewed, and handed to the workers as bytes.

Nouns: *certificate* (a chain with its key, and what is known of it), *names* (which certificates serve a host),
*material* (all bytes that a configuration's TLS needs), *gather* (makes it, or says what is wrong), *store* (reads
files, and keeps what has not changed), *tickets* (session ticket keys), *stapling* (responders' word on certificates),
*watch* (notices changed files), *profile* (versions and ciphers). Of bridging: *authority* (signs), *leaf* (what it
signs, one per host), *pinning* (hosts that pass). Called by policy, control and runtime; knows the configuration, not
the engine.
"""
