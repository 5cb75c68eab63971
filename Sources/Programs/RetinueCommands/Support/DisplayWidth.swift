extension Unicode.Scalar {
    /// How many columns of a terminal it takes: 0, 1 or 2.
    var displayWidth: Int {
        if value < 0x300 { return 1 }
        switch properties.generalCategory {
        case .nonspacingMark, .enclosingMark: return 0
        default: return Self.wide.contains { $0.contains(value) } ? 2 : 1
        }
    }

    /// Blocks whose characters are wide (Unicode Standard Annex 11: W and F), coarsely.
    private static let wide: [ClosedRange<UInt32>] = [
        0x1100...0x115f, 0x2e80...0x303e, 0x3041...0xa4cf, 0xa960...0xa97f, 0xac00...0xd7a3,
        0xf900...0xfaff, 0xfe30...0xfe6f, 0xff00...0xff60, 0xffe0...0xffe6, 0x1f300...0x1f64f,
        0x1f680...0x1f6ff, 0x1f900...0x1f9ff, 0x20000...0x3fffd,
    ]
}

extension String {
    /// Columns of a terminal.
    var displayWidth: Int { unicodeScalars.reduce(0) { $0 + $1.displayWidth } }

    /// Which end of a text goes when it is too long.
    enum End { case start, end }

    /// The text in at most `width` columns, with an ellipsis where something went.
    func cut(_ end: End, to width: Int) -> String {
        guard displayWidth > width else { return self }
        guard width > 1 else { return width == 1 ? "…" : "" }
        var left = width - 1
        var kept = String.UnicodeScalarView()
        func take(_ scalar: Unicode.Scalar) -> Bool {
            left -= scalar.displayWidth
            return left >= 0
        }
        switch end {
        case .end:
            for scalar in unicodeScalars {
                guard take(scalar) else { break }
                kept.append(scalar)
            }
            return String(kept) + "…"
        case .start:
            for scalar in unicodeScalars.reversed() {
                guard take(scalar) else { break }
                kept.append(scalar)
            }
            return "…" + String(String.UnicodeScalarView(kept.reversed()))
        }
    }
}
