import { SeatRefused } from '../access/users/seats.ts';
import { SignInRefused } from './refused.ts';

/** What takes a seat, refused with the reason that people are told where the account has none left. */
export async function takingSeat<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof SeatRefused) throw new SignInRefused('seat_limit', { cause: error });
    throw error;
  }
}
