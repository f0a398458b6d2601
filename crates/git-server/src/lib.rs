//! Git over smart HTTP; hands a pushed commit to a callback
