import Records

/// The files that one exec opens for execution, in the order of `FAN_OPEN_EXEC`: scripts, if any, then
/// the executable, then its ELF interpreter.
struct ExecChain {
    /// `#!` files, outermost first.
    var scripts: [TextID] = []
    /// The executable; `.none` where the event was merged into an earlier one and nothing names it.
    var executable: TextID = .none
    /// The ELF interpreter; `.none` for a static executable.
    var loader: TextID = .none
    /// The files whose events were seen; the others were concluded.
    var seen: [TextID] = []
    /// Positions of its events in the process's list; empty for one carried over from before.
    var events: [Int] = []
    /// Whether the kernel can have executed it: false for a file that is neither ELF nor `#!`.
    var isPossible = true
    /// Whether the exec that it stands for was reported.
    var isConfirmed = false

    /// Every file of the chain.
    var files: [TextID] {
        scripts + [executable, loader].filter { $0 != .none }
    }
}

/// Splits opens for execution into chains.
struct ExecChainParser {
    /// One `FAN_OPEN_EXEC`.
    struct Element {
        var path: TextID
        /// Position in the process's list of events; -1 if carried over.
        var position: Int
        /// How the kernel executes the file.
        var head = ExecutableHead.unknown
    }

    /// Where an interpreter's name (`/bin/sh`) was last seen to lead (`/usr/bin/dash`): names the files
    /// whose event was merged into an earlier one.
    var resolved: [TextID: TextID] = [:]

    /// Splits what one process opened for execution.
    mutating func chains(of elements: [Element], _ texts: inout TextTree) -> [ExecChain] {
        var result: [ExecChain] = []
        var index = 0
        var met = Met(elements)
        while index < elements.count {
            var chain = ExecChain()
            var step = 0
            walk: while index < elements.count {
                let element = elements[index]
                // The kernel follows at most five interpreters (BINPRM's recursion limit).
                if step > 6 { break }
                index += 1
                step += 1
                take(element, &chain)
                switch element.head {
                case .script(let interpreter):
                    chain.scripts.append(element.path)
                    let name = texts.intern(interpreter)
                    if let next = following(elements, index, element) {
                        let known = resolved[name]
                        // The interpreter's own event may have been merged with one of an exec before.
                        if let known, known != next.path, let head = met.head(of: known, before: index) {
                            finish(&chain, with: known, head, &texts)
                            break walk
                        }
                        resolved[name] = next.path
                        continue walk
                    }
                    if let known = resolved[name], let head = met.head(of: known, before: index) {
                        finish(&chain, with: known, head, &texts)
                    }
                    break walk
                case .dynamic(let loader):
                    chain.executable = element.path
                    let name = texts.intern(loader)
                    if let next = following(elements, index, element), next.head == .plain,
                        resolved[name] == nil || resolved[name] == next.path
                    {
                        resolved[name] = next.path
                        chain.loader = next.path
                        take(next, &chain)
                        index += 1
                    } else {
                        chain.loader = resolved[name] ?? .none
                    }
                    break walk
                case .plain:
                    chain.executable = element.path
                    break walk
                case .other:
                    chain.executable = element.path
                    chain.isPossible = false
                    break walk
                case .unknown:
                    // Gone already. What follows at once belongs to it: an interpreter or a loader.
                    chain.executable = element.path
                    guard let next = following(elements, index, element) else { break walk }
                    if next.head == .plain {
                        chain.loader = next.path
                        take(next, &chain)
                        index += 1
                        break walk
                    }
                    chain.scripts.append(element.path)
                    chain.executable = .none
                }
            }
            // A script whose interpreter does not exist cannot have been executed.
            if chain.executable == .none { chain.isPossible = false }
            result.append(chain)
        }
        return result
    }

    private func take(_ element: Element, _ chain: inout ExecChain) {
        chain.seen.append(element.path)
        if element.position >= 0 { chain.events.append(element.position) }
    }

    /// The files that were opened up to an element. Only where an interpreter's event may have been merged it is
    /// asked, so nothing is put together before.
    private struct Met {
        let elements: [Element]
        var heads: [TextID: ExecutableHead] = [:]
        var end = 0

        init(_ elements: [Element]) { self.elements = elements }

        mutating func head(of path: TextID, before index: Int) -> ExecutableHead? {
            for element in elements[end..<max(end, index)] { heads[element.path] = element.head }
            end = max(end, index)
            return heads[path]
        }
    }

    /// The next open for execution if nothing was opened in between.
    private func following(_ elements: [Element], _ index: Int, _ element: Element) -> Element? {
        guard index < elements.count else { return nil }
        let next = elements[index]
        return next.position == element.position + 1 || element.position < 0 ? next : nil
    }

    private func finish(
        _ chain: inout ExecChain, with executable: TextID, _ head: ExecutableHead, _ texts: inout TextTree
    ) {
        chain.executable = executable
        if case .dynamic(let loader) = head {
            chain.loader = resolved[texts.intern(loader)] ?? .none
        }
    }
}
