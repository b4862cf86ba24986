"""The rules of RFC 6455 and RFC 7692 as a table of cases by chapter, each run against the server and the client."""
