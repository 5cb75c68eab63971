import Glibc
import MoveGroup
import SystemCalls

/// The one list that a graph is made of, of which only what is connected with the start is read.
struct ConnectedList {
    let path: String
    let usesIndex: Bool

    /// The graph of those rows; `nil` if they cannot be found apart from the others, or are too many.
    ///
    /// - Parameter name: where the group begins, as it was typed.
    /// - Throws: `Failure`, with status 2 for an index that is damaged.
    func graph(around name: String) throws -> DependencyGraph? {
        guard path != "-", InputFile.size(of: path) != nil else { return nil }
        let input = try InputFile.Begun(path: path)
        guard case .list = InputForm(head: input.head), let size = input.size else { return nil }
        let pattern = NodePattern(name)
        guard let selection = try selection(for: pattern, input, size) else { return nil }
        var builder = GraphBuilder()
        var reader = ListReader(input.name, into: &builder)
        do {
            try reader.take(selection, input.number, into: &builder)
            try reader.finish(into: &builder)
        } catch {
            // It has changed meanwhile: reading it all says what is wrong.
            return nil
        }
        let graph = builder.finish(SocketPairing())
        // What else may have been meant is known only to the graph of all rows.
        guard case .found = graph.select(pattern) else { return nil }
        return graph
    }

    private func selection(
        for pattern: NodePattern, _ input: InputFile.Begun, _ size: Int
    ) throws -> RowSelection? {
        if usesIndex {
            switch try indexed(pattern, input) {
            case .rows(let selection): return selection
            case .noIndex: break
            }
        }
        return input.head.withUnsafeBytes { head in
            RowSelection.scan(
                for: pattern, input.number, head: head, at: input.position - head.count, size: size)
        }
    }

    private enum Indexed {
        /// What the index says; `nil` if the list has to be read whole.
        case rows(RowSelection?)
        /// There is none that may be used.
        case noIndex
    }

    private func indexed(_ pattern: NodePattern, _ input: InputFile.Begun) throws -> Indexed {
        let name = path + ListIndex.suffix
        let file: FileDescriptor
        do throws(SystemError) {
            // What is no file must not keep it waiting.
            file = try FileDescriptor.open(name, O_RDONLY | O_NONBLOCK)
        } catch {
            if error.code != ENOENT {
                Diagnostics.say("\(name) is not used: \(SystemError.text(of: error.code))")
            }
            return .noIndex
        }
        guard isTrusted(file.number, input.number) else {
            Diagnostics.say("\(name) is not used: others can write it than those who can write the list")
            return .noIndex
        }
        do throws(ListIndexError) {
            let index = try ListIndex(file.number)
            guard index.isCurrent(input.number) else {
                Diagnostics.say(
                    "\(name) is of another state of the list, and not used; make it anew: retinue index "
                        + ShellWord.quoted(path.printable))
                return .noIndex
            }
            return .rows(try index.rows(for: pattern))
        } catch {
            throw Failure(
                "\(name) \(error); remove it, or make it anew: retinue index "
                    + ShellWord.quoted(path.printable), status: ExitStatus.badInput)
        }
    }

    /// Whether nobody can have written it who could not have written the list.
    private func isTrusted(_ index: Int32, _ list: Int32) -> Bool {
        var (one, other) = (stat(), stat())
        guard fstat(index, &one) == 0, fstat(list, &other) == 0 else { return false }
        return [0, geteuid(), other.st_uid].contains(one.st_uid) && one.st_mode & 0o022 & ~other.st_mode == 0
    }
}
