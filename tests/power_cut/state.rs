//! Our own state under the same cuts: the journal rolls back at most to its last sync, a sequence number never comes twice.
