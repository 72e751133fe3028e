# tries: asyncio: tasks, queues, timeouts, threads, a subprocess that must fail cleanly
# kind: innocent
# outcomes: finished
# prints: [2, 4, 6] timed out 42
import asyncio


async def double(x):
    await asyncio.sleep(0.01)
    return 2 * x


async def main():
    doubled = await asyncio.gather(*(double(x) for x in (1, 2, 3)))
    try:
        await asyncio.wait_for(asyncio.sleep(10), 0.02)
        late = "no"
    except asyncio.TimeoutError:
        late = "timed out"
    print(doubled, late, await asyncio.to_thread(lambda: 42))


asyncio.run(main())
