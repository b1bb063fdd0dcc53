//go:build !lab

package words

var englishText = programText
