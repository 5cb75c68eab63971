import Glibc
import Text

/// A text that is to be interned together with others, and how far that has come.
struct TextStep {
    /// The text; it must stay where it is until it is interned.
    let text: UnsafeRawBufferPointer
    /// Its number, once it is interned.
    fileprivate(set) var number = TextID.none
    /// What is before the last `/`, and behind it.
    fileprivate var folder = UnsafeRawBufferPointer(start: nil, count: 0)
    fileprivate var name = UnsafeRawBufferPointer(start: nil, count: 0)
    /// The hash of that folder's text, and its own name, if it is sought.
    fileprivate var folderHash: UInt64 = 0
    fileprivate var folderName = UnsafeRawBufferPointer(start: nil, count: 0)
    fileprivate var state = State.folderKnown
    /// The node of the folder, or, as long as that is sought, the one above it.
    fileprivate var parent: UInt32 = 0
    /// The hash of what is looked for next.
    fileprivate var hash: UInt64 = 0

    /// Begins with a text.
    init(text: UnsafeRawBufferPointer) { self.text = text }

    fileprivate enum State {
        /// The folder's node is known, or the text has none.
        case folderKnown
        /// The folder is that of the text before.
        case asBefore
        /// The folder's node is to be looked for, in the one above it.
        case folderSought
        /// There was no room for a folder.
        case refused
    }
}

extension TextTree {
    /// Interns texts as `intern` does one after another. The index is looked at ahead for all of them, so that the
    /// misses of the processor's caches, of which a new path in a new folder has two, overlap.
    ///
    /// - Parameter seen: takes what was looked at, so that looking is not left out.
    mutating func intern(_ steps: UnsafeMutableBufferPointer<TextStep>, seen: inout UInt64) {
        for place in steps.indices { findFolder(of: place, steps) }
        look(steps, &seen)
        for place in steps.indices { enterFolder(of: place, steps) }
        look(steps, &seen)
        for place in steps.indices {
            let step = steps[place]
            steps[place].number = step.state == .refused ? .none : node(step.parent, step.name, step.hash)
        }
    }

    /// Nothing but looks, so that a core has many of them under way.
    private func look(_ steps: UnsafeMutableBufferPointer<TextStep>, _ seen: inout UInt64) {
        for step in steps { seen ^= UInt64(index.peek(step.hash)) }
    }

    @inline(__always)
    private mutating func findFolder(of place: Int, _ steps: UnsafeMutableBufferPointer<TextStep>) {
        let text = steps[place].text
        guard let slash = text.last(UInt8(ascii: "/")), let start = text.baseAddress else {
            steps[place].name = text
            steps[place].parent = 0
            steps[place].state = .folderKnown
            return
        }
        let folder = UnsafeRawBufferPointer(start: start, count: slash)
        steps[place].folder = folder
        steps[place].name = UnsafeRawBufferPointer(start: start + slash + 1, count: text.count - slash - 1)
        // What is before the `/` of a text that has none is not a folder, though it is empty as that of `/etc` is.
        if place > 0, let before = steps[place - 1].folder.baseAddress,
            steps[place - 1].folder.count == slash,
            before.equals(start, count: slash)
        {
            steps[place].state = .asBefore
            return
        }
        let folderHash = hash(folder)
        if let known = recalled(folder, folderHash) {
            steps[place].parent = known
            steps[place].state = .folderKnown
        } else if let (above, name) = above(folder) {
            steps[place].folderHash = folderHash
            steps[place].folderName = name
            steps[place].parent = above
            steps[place].hash = hash(name, above)
            steps[place].state = .folderSought
        } else {
            steps[place].state = .refused
        }
    }

    @inline(__always)
    private mutating func enterFolder(of place: Int, _ steps: UnsafeMutableBufferPointer<TextStep>) {
        switch steps[place].state {
        case .folderKnown: break
        case .refused: return
        case .asBefore:
            steps[place].parent = steps[place - 1].parent
            steps[place].state = steps[place - 1].state
            if steps[place].state == .refused { return }
        case .folderSought:
            let number = node(steps[place].parent, steps[place].folderName, steps[place].hash).rawValue
            guard number != 0 else {
                steps[place].state = .refused
                return
            }
            recent.remember(number, steps[place].folderHash)
            steps[place].parent = number
            steps[place].state = .folderKnown
        }
        steps[place].hash = hash(steps[place].name, steps[place].parent)
    }
}
