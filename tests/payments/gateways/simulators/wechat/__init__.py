"""WeChat Pay as its documentation describes it, in this process: stateful, signing, and able to misbehave."""
