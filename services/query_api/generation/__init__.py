"""From live hits to a cited answer: prompt, model or extract, markers, quotes, abstention."""
