/// Prose in lines that are not too long.
enum Paragraph {
    /// Breaks `text` at spaces; a word that is too long gets a line of its own.
    static func text(_ text: String, indent: Int, width: Int) -> String {
        let margin = String(repeating: " ", count: indent)
        var lines: [String] = []
        for word in text.split(separator: " ") {
            if let line = lines.last, line.displayWidth + 1 + String(word).displayWidth <= width - indent {
                lines[lines.count - 1] = line + " " + word
            } else {
                lines.append(String(word))
            }
        }
        return lines.map { margin + $0 + "\n" }.joined()
    }
}
