//! Request ids: reserve, find, free (O-3).
