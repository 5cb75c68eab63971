import PackageFiles
import Records
import Text

/// The texts in which Python's packages are recorded. No bytes can make reading them fail: what is no line of theirs is left out.
enum PythonRecords {
    /// A file of a package, relative to the folder into which it is installed, with what was recorded of its contents.
    struct File: Equatable {
        var path: [UInt8]
        /// `nil` where there is none, or another than SHA-256.
        var digest: SHA256.Digest?
    }

    /// `RECORD`: lines of path, digest and size, with quotes as CSV has them (Recording installed projects, PyPA).
    static func files(record text: [UInt8]) -> [File] {
        var found: [File] = []
        for row in rows(text) {
            guard let path = row.first, !path.isEmpty, !path.contains(0) else { continue }
            found.append(File(path: path, digest: row.count > 1 ? digest(row[1]) : nil))
        }
        return found
    }

    /// `sha256=` with the digest in base64 with `-` and `_`, and without padding.
    static func digest(_ text: [UInt8]) -> SHA256.Digest? {
        let name = Array("sha256=".utf8)
        guard text.starts(with: name) else { return nil }
        var letters = text.dropFirst(name.count).map { letter in
            letter == UInt8(ascii: "-")
                ? UInt8(ascii: "+") : letter == UInt8(ascii: "_") ? UInt8(ascii: "/") : letter
        }
        letters += [UInt8](repeating: UInt8(ascii: "="), count: (4 - letters.count % 4) % 4)
        return Base64.decode(letters).flatMap { SHA256.Digest(bytes: $0) }
    }

    /// Rows of CSV (RFC 4180); a quoted field may hold a line feed.
    private static func rows(_ text: [UInt8]) -> [[[UInt8]]] {
        let quote = UInt8(ascii: "\"")
        var rows: [[[UInt8]]] = []
        var row: [[UInt8]] = []
        var field: [UInt8] = []
        var isQuoted = false
        var index = 0
        while index < text.count {
            let byte = text[index]
            index += 1
            if isQuoted {
                if byte != quote {
                    field.append(byte)
                } else if index < text.count, text[index] == quote {
                    field.append(quote)
                    index += 1
                } else {
                    isQuoted = false
                }
                continue
            }
            switch byte {
            case quote where field.isEmpty: isQuoted = true
            case UInt8(ascii: ","):
                row.append(field)
                field = []
            case UInt8(ascii: "\n"):
                if field.last == UInt8(ascii: "\r") { field.removeLast() }
                rows.append(row + [field])
                (row, field) = ([], [])
            default: field.append(byte)
            }
        }
        if !row.isEmpty || !field.isEmpty { rows.append(row + [field]) }
        return rows
    }

    /// `METADATA` and `PKG-INFO`: name and version of its head.
    static func names(metadata text: [UInt8]) -> (name: String, version: String)? {
        var name: String?
        var version: String?
        for line in text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            let line = String(decoding: line, as: UTF8.self)
            // Behind a blank line stands the description.
            guard let colon = line.firstIndex(of: ":") else { break }
            let value = line[line.index(after: colon)...].drop { $0 == " " }.filter {
                $0 != "\r" && $0 != "\r\n"
            }
            switch line[..<colon].lowercased() {
            case "name": name = name ?? String(value)
            case "version": version = version ?? String(value)
            default: break
            }
        }
        guard let name, !name.isEmpty else { return nil }
        return (name, version ?? "")
    }

    /// `direct_url.json`: where a package came from that did not come from the index (Direct URL, PyPA).
    static func origin(directURL text: [UInt8]) -> (origin: LanguagePackage.Origin, isEditable: Bool) {
        guard let value = try? JSONValue(parsing: text), let url = value["url"]?.string else {
            return (.local, false)
        }
        let isEditable = value["dir_info"]?["editable"] == .boolean(true)
        guard !url.lowercased().hasPrefix("file:") else { return (.local, isEditable) }
        guard let control = value["vcs_info"] else { return (.address(url), isEditable) }
        guard let kind = control["vcs"]?.string, let commit = control["commit_id"]?.string else {
            return (.local, isEditable)
        }
        return (.address("\(kind)+\(url)@\(commit)"), isEditable)
    }

    /// `*.pth`: folders in which Python looks for modules besides, without the statements that stand among them (site(3)).
    static func folders(path text: [UInt8], in folder: [UInt8]) -> [[UInt8]] {
        text.split(separator: UInt8(ascii: "\n")).compactMap { line in
            let line = line.filter { $0 != UInt8(ascii: "\r") }
            guard !line.isEmpty, line[0] != UInt8(ascii: "#"), !line.contains(0),
                !line.starts(with: "import ".utf8),
                !line.starts(with: "import\t".utf8)
            else { return nil }
            let path = PathWalk.join(folder, line)
            return path.isEmpty ? nil : path
        }
    }

    /// What setuptools makes for an editable installation whose folder has other names than its modules: a line
    /// `MAPPING = {'module': '/folder'}` of Python's literals.
    static func folders(finder text: [UInt8]) -> [[UInt8]] {
        for line in text.split(separator: UInt8(ascii: "\n")) where line.starts(with: "MAPPING".utf8) {
            return literals(Array(line)).filter {
                $0.first == PathWalk.slash && !$0.contains(0) && $0.count > 1
            }
        }
        return []
    }

    /// The strings of a line of Python, as `repr` writes them.
    private static func literals(_ line: [UInt8]) -> [[UInt8]] {
        var found: [[UInt8]] = []
        var open: UInt8?
        var text: [UInt8] = []
        var index = 0
        while index < line.count {
            let byte = line[index]
            index += 1
            guard let quote = open else {
                if byte == UInt8(ascii: "'") || byte == UInt8(ascii: "\"") { (open, text) = (byte, []) }
                continue
            }
            if byte == quote {
                found.append(text)
                open = nil
            } else if byte == UInt8(ascii: "\\"), index < line.count {
                let letter = line[index]
                index += 1
                let length = [UInt8(ascii: "x"): 2, UInt8(ascii: "u"): 4, UInt8(ascii: "U"): 8][letter] ?? 0
                let digits = String(decoding: line[index..<min(index + length, line.count)], as: UTF8.self)
                if length > 0, let number = UInt32(digits, radix: 16) {
                    index += length
                    // A byte that is no UTF-8 is a half of a surrogate (PEP 383).
                    if (0xdc80...0xdcff).contains(number) {
                        text.append(UInt8(number - 0xdc00))
                    } else if let scalar = Unicode.Scalar(number) {
                        text += Array(String(Character(scalar)).utf8)
                    }
                } else {
                    text.append(
                        letter == UInt8(ascii: "n")
                            ? UInt8(ascii: "\n") : letter == UInt8(ascii: "t") ? 9 : letter)
                }
            } else {
                text.append(byte)
            }
        }
        return found
    }
}
