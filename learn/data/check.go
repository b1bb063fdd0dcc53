package data

import "fmt"

// Bounds of a schema, which package task and the model of a tab have too.
const (
	maxSchemaFeatures = 1 << 16
	maxSchemaClasses  = 256 // labels are bytes
)

// Check returns an error if data cannot be read under the schema, which has come from a
// coordinator. It wraps ErrFormat.
func (s *Schema) Check() error {
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("schema: "+format+": %w", append(args, ErrFormat)...)
	}
	var classes []string
	switch {
	case s.Table != nil && s.Images != nil, s.Table == nil && s.Images == nil:
		return wrong("has a table: %t, and images: %t, want one of them", s.Table != nil, s.Images != nil)
	case !(s.Holdout >= 0 && s.Holdout < 1):
		return wrong("a holdout of %g, want 0 <= holdout < 1", s.Holdout)
	case s.Min < 0 || s.Max < max(s.Min, 1):
		return wrong("%d to %d examples, want at least 0, and a max of at least 1", s.Min, s.Max)
	case s.Images != nil:
		im := s.Images
		if im.Width < 1 || im.Height < 1 || im.Width > maxSchemaFeatures || im.Height > maxSchemaFeatures ||
			im.Channels != 1 && im.Channels != 3 || im.Width*im.Height*im.Channels > maxSchemaFeatures {
			return wrong("images of %d x %d pixels with %d channels, want 1 or 3 channels and at most %d values", im.Width, im.Height, im.Channels, maxSchemaFeatures)
		}
		classes = im.Classes
	default:
		if err := s.Table.check(wrong); err != nil {
			return err
		}
		if classes = s.Table.Label.Values; s.Table.Label.Type == NumberField {
			return nil
		}
	}
	if len(classes) < 2 || len(classes) > maxSchemaClasses {
		return wrong("%d classes, want 2 to %d", len(classes), maxSchemaClasses)
	}
	return nil
}

func (t *TableSchema) check(wrong func(format string, args ...any) error) error {
	width := 0
	for _, f := range t.fields() {
		switch {
		case !ValidText(f.Name):
			return wrong("a field is called %q, want a text on one line", f.Name)
		case f.Type != NumberField && f.Type != CategoryField && f.Type != BooleanField:
			return wrong("%s has type %q, want number, category or boolean", f.Name, f.Type)
		case f.Type != NumberField && len(f.Values) == 0:
			return wrong("%s has no values", f.Name)
		}
		width += f.Width()
	}
	width -= t.Label.Width()
	if width < 1 || width > maxSchemaFeatures {
		return wrong("%d features, want 1 to %d", width, maxSchemaFeatures)
	}
	_, err := t.Encoding(Plain(len(t.Numbers())))
	return err
}
