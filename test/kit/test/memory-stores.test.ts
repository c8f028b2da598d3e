// The store in memory keeps the contract of every store, so that a plugin tested with it meets no surprise with a real one.
import test from 'ava';
import { memoryStores, storeContract } from '@plugboard/test-kit';

storeContract(test, 'memory', async (_, limits) => {
  let stores = memoryStores(limits);
  return {
    stores,
    reopen: async () => {
      stores = stores.reopen();
      return stores;
    },
    close: async () => {},
  };
});
