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
    /// Whether an exec was told that it stands for.
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
    }

    /// Where an interpreter's name (`/bin/sh`) was last seen to lead (`/usr/bin/dash`): names the files
    /// whose event was merged into an earlier one.
    var led: [TextID: TextID] = [:]

    /// - Parameter head: how the kernel executes a file.
    mutating func chains(
        of elements: [Element], _ texts: inout TextTree, head: (TextID) -> ExecutableHead
    ) -> [ExecChain] {
        var result: [ExecChain] = []
        var index = 0
        var met: Set<TextID> = []
        while index < elements.count {
            var chain = ExecChain()
            var step = 0
            walk: while index < elements.count {
                let element = elements[index]
                // The kernel follows at most five interpreters (BINPRM's recursion limit).
                if step > 6 { break }
                let kind = head(element.path)
                index += 1
                step += 1
                take(element, &chain, &met)
                switch kind {
                case .script(let interpreter):
                    chain.scripts.append(element.path)
                    let name = texts.intern(interpreter)
                    if let next = following(elements, index, element) {
                        let known = led[name]
                        // The interpreter's own event may have been merged with one of an exec before.
                        if let known, known != next.path, met.contains(known) {
                            finish(&chain, with: known, &texts, head)
                            break walk
                        }
                        led[name] = next.path
                        continue walk
                    }
                    if let known = led[name], met.contains(known) {
                        finish(&chain, with: known, &texts, head)
                    }
                    break walk
                case .dynamic(let loader):
                    chain.executable = element.path
                    let name = texts.intern(loader)
                    if let next = following(elements, index, element), head(next.path) == .plain,
                        led[name] == nil || led[name] == next.path
                    {
                        led[name] = next.path
                        chain.loader = next.path
                        take(next, &chain, &met)
                        index += 1
                    } else {
                        chain.loader = led[name] ?? .none
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
                    if head(next.path) == .plain {
                        chain.loader = next.path
                        take(next, &chain, &met)
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

    private func take(_ element: Element, _ chain: inout ExecChain, _ met: inout Set<TextID>) {
        chain.seen.append(element.path)
        if element.position >= 0 { chain.events.append(element.position) }
        met.insert(element.path)
    }

    /// The next open for execution if nothing was opened in between.
    private func following(_ elements: [Element], _ index: Int, _ element: Element) -> Element? {
        guard index < elements.count else { return nil }
        let next = elements[index]
        return next.position == element.position + 1 || element.position < 0 ? next : nil
    }

    private func finish(
        _ chain: inout ExecChain, with executable: TextID, _ texts: inout TextTree,
        _ head: (TextID) -> ExecutableHead
    ) {
        chain.executable = executable
        if case .dynamic(let loader) = head(executable) {
            chain.loader = led[texts.intern(loader)] ?? .none
        }
    }
}
