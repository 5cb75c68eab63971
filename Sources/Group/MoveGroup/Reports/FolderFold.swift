/// Many files as a few rows: the folders that hold the most of them, each with what lies below it.
///
/// The rows are made from the top: the folder with the most files is taken apart as long as its parts fit in. So a
/// folder of thousands is one row, and a file that stands alone keeps its name.
package struct FolderFold {
    /// A file, or a folder with files below it.
    package struct Row: Equatable {
        /// The file's path, or the folder's with a slash at its end.
        package var path: [UInt8]
        /// The files, by their positions in what was given.
        package var files: Range<Int>
    }

    /// The rows in the order of paths.
    package private(set) var rows: [Row] = []

    private struct Part {
        var files: Range<Int>
        /// Bytes that all of its paths begin with, up to a slash; of one file all of it.
        var prefix: Int
    }

    /// Folds paths, which come in bytewise order, each once.
    ///
    /// - Parameter limit: rows that there may be; more than that only if not all of them begin with a slash.
    package init(_ paths: [[UInt8]], limit: Int) {
        guard !paths.isEmpty else { return }
        let all = Part(files: paths.indices, prefix: Self.common(paths[0], paths[paths.count - 1]))
        // Paths that do not begin alike have no folder in common.
        var parts = all.prefix > 0 ? [all] : Self.parts(of: paths.indices, behind: 0, paths)
        // Those that were found to have too many parts stay whole.
        var whole: Set<Int> = []
        while parts.count < limit {
            let open = parts.indices.filter {
                parts[$0].files.count > 1 && !whole.contains(parts[$0].files.lowerBound)
            }
            guard let largest = open.max(by: { parts[$0].files.count < parts[$1].files.count }) else { break }
            let smaller = Self.parts(of: parts[largest].files, behind: parts[largest].prefix, paths)
            if parts.count - 1 + smaller.count <= limit {
                parts.replaceSubrange(largest...largest, with: smaller)
            } else {
                whole.insert(parts[largest].files.lowerBound)
            }
        }
        rows = parts.map { part in
            Row(path: Array(paths[part.files.lowerBound].prefix(part.prefix)), files: part.files)
        }
    }

    /// The parts that a folder's files fall into by the next part of their paths.
    private static func parts(of files: Range<Int>, behind prefix: Int, _ paths: [[UInt8]]) -> [Part] {
        var parts: [Part] = []
        var start = files.lowerBound
        for position in files {
            let isLast = position + 1 == files.upperBound
            if !isLast, component(paths[position], prefix) == component(paths[position + 1], prefix) {
                continue
            }
            parts.append(Part(files: start..<(position + 1), prefix: common(paths[start], paths[position])))
            start = position + 1
        }
        return parts
    }

    /// The part of a path behind a prefix, with its slash; a slash at the front belongs to the first part.
    private static func component(_ path: [UInt8], _ prefix: Int) -> ArraySlice<UInt8> {
        let rest = path.dropFirst(prefix)
        let slash = UInt8(ascii: "/")
        let start = rest.first == slash ? rest.startIndex + 1 : rest.startIndex
        guard let end = rest[start...].firstIndex(of: slash) else { return rest }
        return rest[...end]
    }

    /// How much two paths, and all between them, have in common: up to the last slash, or all of one path.
    private static func common(_ first: [UInt8], _ last: [UInt8]) -> Int {
        if first == last { return first.count }
        var count = 0
        var folder = 0
        while count < first.count, count < last.count, first[count] == last[count] {
            count += 1
            if first[count - 1] == UInt8(ascii: "/") { folder = count }
        }
        return folder
    }
}
