// What Studio and the workers say to each other, and the tokens that prove who may say it.
