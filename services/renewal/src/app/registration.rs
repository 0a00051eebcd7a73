//! Registration of instances (I-1, I-2).
