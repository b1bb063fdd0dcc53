package data

import (
	"bytes"
	"strings"
)

// foreign tells what a file is that is no table in text, by its first bytes. It returns
// nothing for what may be text.
func foreign(head []byte) string {
	for _, kind := range []struct{ magic, what string }{
		{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook"}, // to Excel 2003; with a password also later
		{"%PDF-", "a PDF document"},
		{"\x89PNG", "an image"},
		{"\xff\xd8\xff", "an image"},
		{"GIF8", "an image"},
		{"\x1f\x8b", "compressed with gzip"},
		{"\xfd7zXZ\x00", "compressed with xz"},
		{"(\xb5/\xfd", "compressed with zstd"},
		{"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"},
		{"PAR1", "a Parquet file"},
		{"SQLite format 3\x00", "an SQLite database"},
		{"{\\rtf", "a text document"},
	} {
		if bytes.HasPrefix(head, []byte(kind.magic)) {
			return kind.what
		}
	}
	switch {
	case len(head) >= 12 && string(head[:4]) == "RIFF" && string(head[8:12]) == "WEBP",
		len(head) >= 12 && string(head[4:8]) == "ftyp": // HEIC and AVIF, but also films
		return "an image or a film"
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return archive(head)
	}
	text := strings.ToLower(strings.TrimSpace(strings.TrimPrefix(string(head[:min(len(head), 100)]), "\ufeff")))
	if strings.HasPrefix(text, "<!doctype html") || strings.HasPrefix(text, "<html") || strings.HasPrefix(text, "<?xml") {
		return "a web page or XML"
	}
	return ""
}

// archive tells what a zip archive holds, by the names of its first files.
func archive(head []byte) string {
	for _, kind := range []struct{ name, what string }{
		{"xl/", "an Excel workbook"},
		{"word/", "a Word document"},
		{"opendocument.spreadsheet", "a spreadsheet of LibreOffice"},
		{"opendocument", "a document of LibreOffice"},
		{"Index/Document.iwa", "a spreadsheet of Numbers"},
	} {
		if bytes.Contains(head, []byte(kind.name)) {
			return kind.what
		}
	}
	return "a zip archive or a spreadsheet"
}
