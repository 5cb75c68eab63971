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
    /// Where its events stand in the process's list, from the first to the last; `nil` for one carried over from before.
    var events: ClosedRange<Int>?
    /// Whether all that was seen is a file known as an ELF interpreter: the executable lies where nothing is watched,
    /// unless the interpreter was executed itself.
    var isLoaderAlone = false
    /// Whether the kernel can have executed it: false for a file that is neither ELF nor `#!`.
    var isPossible = true
    /// Whether one of its files may have been opened in vain, and what stands behind it been executed for itself.
    var isDoubtful = false
    /// Whether the exec that it stands for was reported.
    var isConfirmed = false

    /// Calls `body` with every file of the chain.
    func forEachFile(_ body: (TextID) -> Void) {
        for script in scripts { body(script) }
        if executable != .none { body(executable) }
        if loader != .none { body(loader) }
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
    /// Names that by nothing but likeness are taken to lead there: what was reported of an exec goes before it.
    var likely: Set<TextID> = []
    /// The ELF interpreters that were met, of every root: a container has one of its own at another path.
    var loaders: Set<TextID> = []

    /// Splits what one process opened for execution.
    ///
    /// - Parameter reports: what was read of the process of late, and reported of it.
    mutating func chains(
        of elements: [Element], _ reports: ReportedPaths, _ texts: inout TextTree
    ) -> [ExecChain] {
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
                        // The interpreter's own event was merged with one of another batch: what stands here is its loader.
                        if let known, known != next.path, next.head == .plain, loaders.contains(next.path),
                            met.head(of: known, before: index) == nil
                        {
                            chain.executable = known
                            chain.loader = next.path
                            chain.isDoubtful = true
                            take(next, &chain)
                            index += 1
                            break walk
                        }
                        // The interpreter's own event may have been merged with one of an exec before.
                        if let known, known != next.path, let head = met.head(of: known, before: index) {
                            finish(&chain, with: known, head, &met, before: index, &texts)
                            break walk
                        }
                        let proof = proof(
                            that: element.path, runsBy: next.path, called: name, reports, texts)
                        if proof != .refuted {
                            if proof == .open {
                                chain.isDoubtful = true
                            } else if known != next.path || proof == .likely || !likely.isEmpty {
                                learn(name, next.path, proof)
                            }
                            continue walk
                        }
                    }
                    if let known = resolved[name], let head = met.head(of: known, before: index) {
                        finish(&chain, with: known, head, &met, before: index, &texts)
                    }
                    break walk
                case .dynamic(let loader):
                    chain.executable = element.path
                    let name = texts.intern(loader)
                    let known = resolved[name]
                    if let next = following(elements, index, element), next.head == .plain,
                        case let proof = known == next.path
                            ? .certain
                            : proof(that: next.path, loads: element.path, name, known, reports, texts),
                        proof != .refuted
                    {
                        if proof == .open {
                            chain.isDoubtful = true
                        } else if known != next.path {
                            resolved[name] = next.path
                            loaders.insert(next.path)
                        }
                        chain.loader = next.path
                        take(next, &chain)
                        index += 1
                    } else {
                        chain.loader = merged(known, &met, before: index)
                    }
                    break walk
                case .plain:
                    chain.executable = element.path
                    chain.isLoaderAlone = step == 1 && loaders.contains(element.path)
                    break walk
                case .other:
                    chain.executable = element.path
                    chain.isPossible = false
                    break walk
                case .unknown:
                    // Gone already. What follows at once belongs to it: an interpreter or a loader.
                    chain.executable = element.path
                    guard let next = following(elements, index, element),
                        !reports.name(next.path, rather: element.path, texts)
                    else { break walk }
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
        // An executable and its loader, or a script before them.
        if chain.seen.isEmpty { chain.seen.reserveCapacity(3) }
        chain.seen.append(element.path)
        guard element.position >= 0 else { return }
        // They stand in the order of the list.
        let first = chain.events?.lowerBound ?? element.position
        chain.events = first...max(first, element.position)
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
        _ chain: inout ExecChain, with executable: TextID, _ head: ExecutableHead, _ met: inout Met,
        before index: Int, _ texts: inout TextTree
    ) {
        chain.executable = executable
        if case .dynamic(let name) = head {
            chain.loader = merged(resolved[texts.intern(name)], &met, before: index)
        }
    }

    /// The loader whose event was merged: with one that this process caused before, or it would be there.
    private func merged(_ known: TextID?, _ met: inout Met, before index: Int) -> TextID {
        guard let known, met.head(of: known, before: index) != nil else { return .none }
        return known
    }

    /// Keeps where a name leads.
    mutating func learn(_ name: TextID, _ path: TextID, _ proof: Proof) {
        resolved[name] = path
        if proof == .likely { likely.insert(name) } else if !likely.isEmpty { likely.remove(name) }
    }

    /// Whether a `#!` file was executed by what was opened right behind it. The kernel opens one for execution also where its
    /// interpreter is gone, and what stands behind it then is the next that was tried, as by a search of `PATH`.
    private func proof(
        that script: TextID, runsBy file: TextID, called name: TextID, _ reports: ReportedPaths,
        _ texts: borrowing TextTree
    ) -> Proof {
        if name == file || resolved[name] == file && !likely.contains(name) { return .certain }
        switch reports.first(script, file, texts) {
        case .former: return .certain
        case .latter: return .refuted
        case .both: return .open
        case .neither: return isLike(name, file, texts) ? .likely : .open
        }
    }

    /// Whether an interpreter's name may be that of a file, of another root or with its version: `python3`, `python3.11`.
    private func isLike(_ name: TextID, _ file: TextID, _ texts: borrowing TextTree) -> Bool {
        if resolved[name] == file { return true }
        return texts.withName(of: name) { name in
            texts.withName(of: file) { file in
                let (short, long) = name.count < file.count ? (name, file) : (file, name)
                guard !short.isEmpty, long.starts(with: short) else { return false }
                guard let next = long.dropFirst(short.count).first else { return true }
                return next == UInt8(ascii: ".") || next == UInt8(ascii: "-")
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(next)
            }
        }
    }

    /// Whether a file without an interpreter that was opened right behind an executable is that one's loader, and not the
    /// next executable: the loader's own event is merged with an earlier one, or there is no such loader.
    ///
    /// A loader has the name that executables ask for in each root, or one that a link of that name leads to. What was
    /// reported and read of the process decides about others.
    private func proof(
        that path: TextID, loads executable: TextID, _ name: TextID, _ known: TextID?,
        _ reports: ReportedPaths, _ texts: borrowing TextTree
    ) -> Proof {
        // What the kernel has reported to be executed is none, but for one that was executed itself.
        if reports.name(path, rather: executable, texts) { return .refuted }
        if loaders.contains(path) { return .certain }
        return texts.withName(of: path) { own in
            if texts.withName(of: name, { $0.elementsEqual(own) }) { return .certain }
            if let known, texts.withName(of: known, { $0.elementsEqual(own) }) { return .certain }
            var isRead = false
            for image in reports.images where reports.isOwn(image) && !image.isReported {
                guard !image.executable.isEmpty else { continue }
                // A name alone may be that of both, and the path of a link or a mount end like the executable's.
                isRead = isRead || reports.isRead(executable, by: image.executable, beside: path, texts)
                if image.executable.withUnsafeBytes({ lastComponent($0).elementsEqual(own) }) {
                    return .refuted
                }
            }
            if isRead { return .certain }
            guard known == nil else { return .refuted }
            return reports.first(executable, path, texts) == .former ? .certain : .open
        }
    }
}

/// Whether what was opened behind a file belongs to its exec.
enum Proof {
    /// It does.
    case certain
    /// Nothing but its name says so.
    case likely
    /// Nothing says anything.
    case open
    /// It does not.
    case refuted
}

/// What the kernel has reported of a process: which paths it has executed. Nothing is looked up before it is asked.
struct ReportedPaths {
    /// What was read of images of late, those of the process among them.
    let images: [ImageFacts]
    let pid: Int32
    /// When the process executed what it is, `CLOCK_MONOTONIC`, nanoseconds: only later execs are those of the elements.
    let after: UInt64
    let elements: [ExecChainParser.Element]

    func isOwn(_ image: ImageFacts) -> Bool { image.pid == pid && image.time > after }

    /// Which of two files an exec began with.
    enum First {
        case former, latter, both, neither
    }

    /// Which of two files that were opened one behind the other an exec began with. If it was the former, the latter may have
    /// been executed for itself later, and the kernel have merged what that opened.
    func first(_ former: TextID, _ latter: TextID, _ texts: borrowing TextTree) -> First {
        var result = First.neither
        var isStray = false
        for image in images where isOwn(image) {
            let path = image.executed
            guard !path.isEmpty else { continue }
            let one = fit(former, path, texts)
            let other = fit(latter, path, texts)
            if one == .whole { return .former }
            // In another root all that is executed lies there; else it is a file that happens to end like the path.
            if one > other { return isBelowRoot(of: former, by: path, latter, texts) ? .former : .both }
            if other > one {
                if result == .neither { result = .latter }
            } else if one != .none {
                result = .both
            } else {
                isStray = isStray || !elements.contains { fit($0.path, path, texts) != .none }
            }
        }
        // The path of a link may be the former's.
        return result == .latter && isStray ? .both : result
    }

    /// Whether a file is the one of a path that was read, of its root or of another one in which a second file lies, too.
    func isRead(
        _ file: TextID, by path: [UInt8], beside other: TextID, _ texts: borrowing TextTree
    ) -> Bool {
        guard path.first == UInt8(ascii: "/") else { return false }
        if texts.withBytes(file, { $0.elementsEqual(path) }) { return true }
        return fit(file, path, texts) != .none && isBelowRoot(of: file, by: path, other, texts)
    }

    /// Whether a file lies in the root in which a path leads to another file.
    private func isBelowRoot(
        of file: TextID, by path: [UInt8], _ other: TextID, _ texts: borrowing TextTree
    ) -> Bool {
        guard path.first == UInt8(ascii: "/") else { return true }
        return texts.withBytes(file) { file in
            texts.withBytes(other) { other in
                // A folder that is another one's link makes a path a letter shorter.
                let length = max(0, file.count - path.count - 1)
                return other.count > length && other[..<length].elementsEqual(file[..<length])
            }
        }
    }

    /// Whether an exec began with a file, and not with the other one by the same path.
    func name(_ file: TextID, rather other: TextID, _ texts: borrowing TextTree) -> Bool {
        images.contains { image in
            guard isOwn(image), !image.executed.isEmpty else { return false }
            let own = fit(file, image.executed, texts)
            return own != .none && own >= fit(other, image.executed, texts)
        }
    }

    private func fit(_ file: TextID, _ path: [UInt8], _ texts: borrowing TextTree) -> PathFit {
        texts.withBytes(file) { SystemFolder.fit(of: $0, to: path) }
    }
}
