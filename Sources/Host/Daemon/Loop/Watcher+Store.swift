import Observation
import Records
import RecordStore
import SystemCalls

/// The store: a slice at a time is copied from the ledger and written by a thread.
extension Watcher where Source: ~Copyable, Wait: ~Copyable {
    /// The pause between two slices, nanoseconds.
    private static var storePause: UInt64 { 5_000_000 }

    /// How long the disk may take at the stop, milliseconds.
    private static var stopPatience: Int { 20_000 }

    /// Sees to it that changes are stored within the interval.
    mutating func armStore() {
        guard !store.isTimerArmed, !store.progress.holds(session.observer.ledger) || store.slice != nil else {
            return
        }
        store.isTimerArmed = true
        waiting.arm(.store, nanoseconds: configuration.storeInterval)
    }

    /// The store's timer: hands the next slice over.
    mutating func flush(most: Int = StorePace.slice) {
        guard !storeWriter.isBusy else { return }
        if store.mustRenew {
            storeWriter.submit(.renew)
        } else if !store.isOpen {
            // A slice that was taken is written when the store is there.
            storeWriter.submit(.open(store.progress))
        } else if let slice = store.slice {
            storeWriter.submit(.apply(slice))
        } else {
            // What is not watched was not until now, whatever becomes of this daemon.
            session.updateBlindSpots(session.cutoff.wall)
            let pending = store.progress.pending(session.observer.ledger)
            store.pace.begin(pending: max(pending, 1), most: most)
            // Until when everything that was observed is stored once this slice is: what waits in the sources is not,
            // and what has to wait for a later slice neither.
            let isAll =
                pending <= most && !store.progress.mustRewrite(session.observer.ledger)
            store.completeUntil = max(store.completeUntil, isAll ? session.cutoff.wall : started)
            let records = session.observer.ledger.dirty.count
            let slice = store.progress.takeSlice(
                of: &session.observer.ledger, most: most, header: header(store.completeUntil))
            store.slice = slice
            store.noteTaken(
                records, left: session.observer.ledger.dirty.count, at: session.cutoff.wall)
            storeWriter.submit(.apply(slice))
        }
    }

    /// Takes what the thread has done.
    mutating func takeStoreOutcomes() {
        for outcome in storeWriter.take() {
            let next: StorePace.Next
            switch outcome {
            case .done: next = storeDone()
            case .failed(let error): next = storeFailed(error)
            }
            store.isTimerArmed = next != .whenChanged
            switch next {
            case .whenChanged: break
            case .soon: waiting.arm(.store, nanoseconds: Self.storePause)
            case .later: waiting.arm(.store, nanoseconds: configuration.storeInterval)
            }
        }
    }

    private mutating func storeDone() -> StorePace.Next {
        if !store.isOpen || store.mustRenew {
            store.isOpen = true
            store.mustRenew = false
            return .soon
        }
        store.slice = nil
        if store.error != nil { Message.print("the store can be written again") }
        store.error = nil
        let isWhole = store.progress.holds(session.observer.ledger)
        if isWhole { store.written = waiting.wall }
        let next = store.pace.end(isWhole: isWhole)
        answerForgets()
        // Somebody waits for it, or a transaction is open.
        return !isWhole && !store.progress.hasForgotten(session.observer.ledger) ? .soon : next
    }

    private mutating func storeFailed(_ error: StoreError) -> StorePace.Next {
        switch error {
        case .replaced, .changedByAnother, .otherLedger, .notADatabase, .corrupt, .malformedSchema:
            // Somebody has taken it away, or has written to it: what is known is written anew, from the beginning.
            Message.print("\(error); a new one is begun")
            store.progress = StoreProgress(session.observer.ledger, isStored: false)
            session.observer.ledger.markAllDirty()
            store.slice = nil
            store.mustRenew = true
            if store.error == nil { store.error = error.description }
            return .soon
        default:
            if store.error == nil { Message.print("records are kept in memory only: \(error)") }
            store.error = error.description
            if let slice = store.slice, store.progress.restart(slice, &session.observer.ledger) {
                store.slice = nil
            }
            answerForgets(failure: error.description)
            return store.pace.fail()
        }
    }

    /// Writes everything before the daemon ends, and says what could not be written.
    mutating func storeEverything() {
        // What is still open has no record yet, and may be gone at the next start.
        session.observer.settleConnections()
        var patience = Self.stopPatience
        // One more slice than there is to write: its header says until when the host was observed.
        var isLast = false
        while patience > 0 {
            if storeWriter.isBusy {
                storeWriter.wait(milliseconds: 100)
                patience -= 100
                takeStoreOutcomes()
                if store.error != nil, !store.mustRenew { break }
                continue
            }
            if isLast, store.slice == nil, store.progress.holds(session.observer.ledger) { return }
            isLast = store.isOpen && !store.mustRenew
            flush(most: .max)
        }
        let count = store.progress.pending(session.observer.ledger) + (store.slice?.recordCount ?? 0)
        Message.print(
            "\(count) records could not be stored and are lost: \(store.error ?? "the disk did not answer in time")"
        )
    }
}
