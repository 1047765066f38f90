//! One set of features of each library for every build, so that two builds share what they compile. There is no code.
